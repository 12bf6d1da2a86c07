#include "qtool/report/render_html.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "check_document.h"
#include "embedded_assets.h"

namespace qtool::report {

namespace {

using Json = nlohmann::json;

std::string_view asset(std::string_view name) {
  const auto found = embedded_assets().find(name);
  return found == embedded_assets().end() ? std::string_view() : found->second;
}

// Sorted by name: core first, then sections, then main.js.
std::string script() {
  std::string text;
  for (const std::string_view folder : {"core/", "sections/"}) {
    for (const auto& [name, content] : embedded_assets()) {
      if (name.starts_with(folder)) text += content;
    }
  }
  text += asset("main.js");
  return text;
}

std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

// ASCII only, and without the characters that could end or open a tag: the text stands inside a <script> element.
std::string escape_json(const Json& document) {
  std::string escaped;
  for (const char c : document.dump(-1, ' ', true, Json::error_handler_t::replace)) {
    switch (c) {
      case '<': escaped += "\\u003c"; break;
      case '>': escaped += "\\u003e"; break;
      case '&': escaped += "\\u0026"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string replacement(std::string_view key, const Json& document) {
  if (key == "style") return std::string(asset("style.css"));
  if (key == "charts") return std::string(asset("chart.js"));
  if (key == "charts-licence") return has_charts() ? escape_markup(asset("licenses/chart.js.txt")) : std::string();
  if (key == "script") return script();
  if (key == "document") return escape_json(document);
  return {};
}

}  // namespace

bool has_charts() { return embedded_assets().contains("chart.js"); }

std::string render_html(const Json& document) {
  check_document(document, Json::parse(asset("schema.json")));
  std::string_view rest = asset("page.html");
  std::string page;
  // One pass over the template only: text that is put in is never searched for further marks.
  for (;;) {
    const size_t open = rest.find("{{");
    page += rest.substr(0, open);
    if (open == std::string_view::npos) return page;
    const size_t close = rest.find("}}", open);
    page += replacement(rest.substr(open + 2, close - open - 2), document);
    rest.remove_prefix(close + 2);
  }
}

}  // namespace qtool::report
