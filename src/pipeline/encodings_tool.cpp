#include "qtool/pipeline/encodings_tool.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "qtool/exporters/encodings_document.h"
#include "qtool/support/error.h"
#include "qtool/support/files.h"
#include "qtool/support/format.h"

namespace qtool::pipeline {

namespace {

using exporters::DocumentEntry;
using exporters::EncodingsDocument;
using Kind = DocumentEntry::Kind;

std::string name_of(const std::filesystem::path& path) { return path.filename().string(); }

EncodingsDocument read_document(const std::filesystem::path& path) { return exporters::parse_encodings(read_text_file(path), name_of(path)); }

std::string kind_text(const DocumentEntry& entry) {
  switch (entry.kind) {
    case Kind::kFloat: return format("float{}", entry.bits);
    case Kind::kPrecision: return format("{} bits without a range", entry.bits);
    case Kind::kGrid: break;
  }
  const quant::Encoding& e = entry.encoding;
  return format("{} bits {}{}", e.bits, e.is_symmetric ? (e.is_strict ? "strict symmetric" : "symmetric") : "asymmetric",
                e.low_power ? " LPBQ" : e.per_block() ? " per block" : e.per_channel() ? " per channel" : "");
}

// Empty when equal.
std::string difference(const DocumentEntry& a, const DocumentEntry& b, double tolerance, double& worst_ratio) {
  const std::string left = kind_text(a), right = kind_text(b);
  if (left != right) return format("{} against {}", left, right);
  if (a.kind != Kind::kGrid) return "";
  const auto& x = a.encoding.grids;
  const auto& y = b.encoding.grids;
  if (x.size() != y.size()) return format("{} scales against {}", x.size(), y.size());
  if (a.axis_known && b.axis_known && a.encoding.channel_axis != b.encoding.channel_axis) {
    return format("channel axis {} against {}", a.encoding.channel_axis, b.encoding.channel_axis);
  }
  size_t scales = 0, offsets = 0;
  double worst = 1.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double ratio = std::max(x[i].scale / y[i].scale, y[i].scale / x[i].scale);
    worst = std::max(worst, ratio);
    if (ratio > 1.0 + tolerance) ++scales;
    if (x[i].offset != y[i].offset) ++offsets;
  }
  worst_ratio = std::max(worst_ratio, worst);
  if (scales == 0 && offsets == 0) return "";
  if (x.size() == 1) return format("scale {} offset {} against {} {}", x[0].scale, x[0].offset, y[0].scale, y[0].offset);
  return format("{} of {} scales differ (at most by a factor of {:.4g}), {} offsets", scales, x.size(), worst, offsets);
}

}  // namespace

ConvertEncodingsSummary convert_encodings(const ConvertEncodingsConfig& config, Reporter& reporter) {
  const exporters::EncodingsFormat target = exporters::format_of_name(config.to);
  EncodingsDocument document = read_document(config.input);
  if (!config.model.path.empty()) {
    const LoadedModel model = load_model(with_encodings(config.model, config.input), reporter);
    exporters::settle_document(document, model.state.graph, ops::builtin_registry(), name_of(config.input));
  }
  exporters::WrittenEncodings written;
  try {
    written = exporters::render_encodings(document, target);
  } catch (Error& error) {
    error.with("file", name_of(config.input));
    throw;
  }
  write_file_atomically(config.output, std::as_bytes(std::span(written.text)));
  return {.from = std::string(exporters::format_name(document.format)), .to = std::string(exporters::format_name(target)),
          .entries = document.entries.size(), .losses = written.losses, .warnings = document.warnings};
}

DiffEncodingsSummary diff_encodings(const DiffEncodingsConfig& config) {
  const EncodingsDocument a = read_document(config.a), b = read_document(config.b);
  DiffEncodingsSummary summary{.version_a = std::string(exporters::format_name(a.format)), .version_b = std::string(exporters::format_name(b.format))};
  std::map<std::string, const DocumentEntry*> others;
  for (const DocumentEntry& entry : b.entries) others[entry.name] = &entry;
  for (const DocumentEntry& entry : a.entries) {
    const auto at = others.find(entry.name);
    if (at == others.end()) {
      summary.only_a.push_back(entry.name);
      continue;
    }
    ++summary.in_both;
    const std::string text = difference(entry, *at->second, config.tolerance, summary.worst_scale_ratio);
    if (text.empty()) ++summary.equal;
    else summary.different.push_back({entry.name, text});
    others.erase(at);
  }
  for (const auto& [name, entry] : others) summary.only_b.push_back(name);
  return summary;
}

}  // namespace qtool::pipeline
