// The part of JSON Schema that data/report/schema.json uses: type, const, enum, required, properties,
// additionalProperties: false, items and $ref into $defs.
#pragma once

#include <nlohmann/json.hpp>

namespace qtool::report {

// Throws Error(kInternal) with the JSON pointer of the first violation: documents are made by this program.
void check_document(const nlohmann::json& document, const nlohmann::json& schema);

}  // namespace qtool::report
