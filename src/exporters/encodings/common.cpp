#include "encodings/format.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

void Losses::add(const std::string& what, const std::string& tensor) {
  for (auto& [kind, tensors] : by_kind_) {
    if (kind == what) return tensors.push_back(tensor);
  }
  by_kind_.push_back({what, {tensor}});
}

std::vector<std::string> Losses::lines() const {
  std::vector<std::string> lines;
  for (const auto& [what, tensors] : by_kind_) {
    lines.push_back(format("{} tensor{}: {} (first: '{}')", tensors.size(), tensors.size() == 1 ? "" : "s", what, tensors.front()));
  }
  return lines;
}

void fail(const std::string& message, const std::string& file, const std::string& tensor) {
  throw Error(ErrorCode::kInvalidData, message).with("file", file).with("tensor", tensor);
}

void refuse(const std::string& message, const std::string& tensor) {
  throw Error(ErrorCode::kInvalidData, message).with("tensor", tensor);
}

bool read_bool(const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_string()) return value.get<std::string>() == "True" || value.get<std::string>() == "true";
  return value.is_number() && value.get<double>() != 0.0;
}

const char* python_bool(bool value) { return value ? "True" : "False"; }

std::vector<double> read_numbers(const Json& value) {
  if (!value.is_array()) return {value.get<double>()};
  std::vector<double> numbers;
  for (const Json& item : value) {
    for (const double number : read_numbers(item)) numbers.push_back(number);
  }
  return numbers;
}

std::vector<size_t> nesting(const Json& value) {
  std::vector<size_t> lengths;
  for (const Json* at = &value; at->is_array() && !at->empty(); at = &at->front()) lengths.push_back(at->size());
  return lengths;
}

int64_t lowest_signed(int bits) { return -(int64_t{1} << (bits - 1)); }

int read_bits(const Json& entry, const char* key, const ReadContext& context, const std::string& tensor) {
  const int bits = entry.value(key, 8);
  if (bits < 2 || bits > 32) fail(format("bit width {} is not supported", bits), context.file, tensor);
  return bits;
}

void check_grid(const quant::Grid& grid, int bits, const ReadContext& context, const std::string& tensor) {
  if (!(grid.scale > 0.0) || !std::isfinite(grid.scale)) {
    fail(format("scale {} is not a positive number", grid.scale), context.file, tensor);
  }
  if (grid.offset > 0 || grid.offset < -(int64_t{1} << bits)) {
    fail(format("offset {} is outside a {}-bit grid", grid.offset, bits), context.file, tensor);
  }
}

void infer_strict(quant::Encoding& encoding) {
  encoding.is_strict = encoding.is_symmetric && encoding.grids[0].offset == lowest_signed(encoding.bits) + 1;
}

void refuse_blocks(const DocumentEntry& entry, std::string_view kind) {
  if (!entry.encoding.per_block()) return;
  refuse(format("{} has no form for {} encodings; write version 1.0.0 or 2.0.0, or requantize per channel", kind,
                entry.encoding.low_power ? "LPBQ" : "per-block"),
         entry.name);
}

}  // namespace qtool::exporters::encodings
