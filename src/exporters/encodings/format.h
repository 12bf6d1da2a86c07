// What one kind of encodings file must offer, and the helpers that several share.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "qtool/exporters/encodings_document.h"

namespace qtool::exporters::encodings {

using Json = nlohmann::ordered_json;

struct ReadContext {
  const std::string& file;
  std::vector<std::string>& warnings;
};

// Collects what a kind cannot hold; many tensors with the same loss become one line.
class Losses {
 public:
  void add(const std::string& what, const std::string& tensor);
  [[nodiscard]] std::vector<std::string> lines() const;

 private:
  std::vector<std::pair<std::string, std::vector<std::string>>> by_kind_;
};

struct FileFormat {
  EncodingsFormat format;
  std::string_view name;
  void (*read)(const Json& file, const ReadContext& context, EncodingsDocument& document);
  Json (*write)(const EncodingsDocument& document, Losses& losses);
};

// Defined by the files of the kinds.
[[nodiscard]] FileFormat format_061();
[[nodiscard]] FileFormat format_100();
[[nodiscard]] FileFormat format_200();
[[nodiscard]] FileFormat format_210();
[[nodiscard]] FileFormat format_overrides();

[[noreturn]] void fail(const std::string& message, const std::string& file, const std::string& tensor);
// The tensor has no form in the kind that is being written.
[[noreturn]] void refuse(const std::string& message, const std::string& tensor);

// true, "True", "true" and 1.
[[nodiscard]] bool read_bool(const Json& value);
[[nodiscard]] const char* python_bool(bool value);
// A number or a list of numbers, nested or not, flattened.
[[nodiscard]] std::vector<double> read_numbers(const Json& value);
// Lengths of the nested lists; empty for a number.
[[nodiscard]] std::vector<size_t> nesting(const Json& value);

[[nodiscard]] int64_t lowest_signed(int bits);  // -2^(bits-1)
[[nodiscard]] int read_bits(const Json& entry, const char* key, const ReadContext& context, const std::string& tensor);
// Scale and offset must make a grid of that width: Error otherwise.
void check_grid(const quant::Grid& grid, int bits, const ReadContext& context, const std::string& tensor);
// Sets is_strict from the offset, which is how the files tell it.
void infer_strict(quant::Encoding& encoding);

// Scales and offsets of 0.6.1 and the overrides, from one entry of their lists.
struct ListedGrid {
  quant::Grid grid;
  bool symmetric = false;
};
[[nodiscard]] ListedGrid read_listed_grid(const Json& entry, int bits, const ReadContext& context, const std::string& tensor);

// The sections of 0.6.1 and the overrides: objects of lists.
void read_listed_sections(const Json& file, const ReadContext& context, EncodingsDocument& document);

// Refuses blocks where the kind has no form for them.
void refuse_blocks(const DocumentEntry& entry, std::string_view kind);

}  // namespace qtool::exporters::encodings
