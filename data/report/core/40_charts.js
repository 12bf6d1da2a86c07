
// Charts by Chart.js. They are made when they scroll into view, because a report may hold hundreds, and made again when
// the theme changes. A build without the library shows the tables only.
const charts = {
  available: typeof Chart !== "undefined",
  live: new Set(),

  // make() returns a Chart.js configuration; it is called again after a change of theme.
  plot(make, {label, low = false, height = null} = {}) {
    if (!charts.available) return h("div", {class: "no-chart"}, "Chart left out: this qtool was built without Chart.js.");
    const canvas = h("canvas", {role: "img", "aria-label": label});
    const frame = h("div", {class: "plot" + (low ? " low" : ""), style: height ? "height:" + height + "px" : null}, canvas);
    const plot = {
      frame, chart: null,
      draw() {
        if (plot.chart) plot.chart.destroy();
        plot.chart = new Chart(canvas, charts.withDefaults(make()));
      },
    };
    frame.redraw = plot.draw;
    charts.live.add(plot);
    if (charts.observer) charts.observer.observe(frame);
    return frame;
  },

  // Forgets the charts below an element that is about to leave the page.
  discard(element) {
    for (const plot of charts.live) {
      if (!element.contains(plot.frame)) continue;
      if (plot.chart) plot.chart.destroy();
      if (charts.observer) charts.observer.unobserve(plot.frame);
      charts.live.delete(plot);
    }
  },

  withDefaults(config) {
    const options = config.options = config.options || {};
    Object.assign(options, {animation: false, maintainAspectRatio: false, responsive: true});
    options.plugins = Object.assign({legend: {display: false}}, options.plugins);
    for (const axis of Object.values(options.scales || {})) {
      axis.grid = Object.assign({color: colour("line-soft"), borderColor: colour("line"), tickLength: 4}, axis.grid);
      axis.ticks = Object.assign({color: colour("muted"), font: {size: 11}}, axis.ticks);
      if (axis.title) Object.assign(axis.title, {display: true, color: colour("muted"), font: {size: 11}});
    }
    return config;
  },

  drawAll() { for (const plot of charts.live) plot.draw(); },

  start() {
    if (!charts.available) return;
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    const visible = (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        charts.observer.unobserve(entry.target);
        for (const plot of charts.live) if (plot.frame === entry.target && !plot.chart) plot.draw();
      }
    };
    charts.observer = new IntersectionObserver(visible, {rootMargin: "300px"});
    theme.listeners.push(() => { for (const plot of charts.live) if (plot.chart) plot.draw(); });
    window.addEventListener("beforeprint", charts.drawAll);
  },
};

// Marks a real interval of the horizontal axis: shaded, with its bounds as lines.
function rangeBand(lo, hi) {
  return {
    id: "rangeBand",
    beforeDatasetsDraw(chart) {
      const {ctx, chartArea: area, scales: {x}} = chart;
      const left = Math.max(area.left, x.getPixelForValue(lo)), right = Math.min(area.right, x.getPixelForValue(hi));
      ctx.save();
      ctx.fillStyle = colour("accent-soft");
      ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
      ctx.fillStyle = colour("accent");
      for (const at of [x.getPixelForValue(lo), x.getPixelForValue(hi)]) {
        if (at >= area.left - 1 && at <= area.right + 1) ctx.fillRect(Math.round(at) - 0.75, area.top, 1.5, area.bottom - area.top);
      }
      ctx.restore();
    },
  };
}

const legend = (...entries) => h("p", {class: "legend"}, entries.map(([name, label]) => h("span", null, h("i", {style: "background:var(--" + name + ")"}), label)));
