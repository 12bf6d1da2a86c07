// A report document as one HTML file that needs no network, server or other file.
//
// The document is plain JSON (docs/report.md has the schema); the commands build it, this module only knows how it
// looks. The page shows a section for each part that the document has.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace qtool::report {

inline constexpr int kDocumentSchema = 1;

// Every text of the document may come from a stranger's model: nothing of it is read as markup. Invalid UTF-8 is
// replaced. Equal documents give equal bytes. Throws Error(kInternal) naming the JSON pointer of what the schema forbids.
[[nodiscard]] std::string render_html(const nlohmann::json& document);

// Whether this build has the charting library; without it pages say that charts are left out.
[[nodiscard]] bool has_charts();

}  // namespace qtool::report
