// Reading the layout that version 0.6.1 and Qualcomm's overrides share: objects of tensor names, lists of entries.
#include "encodings/format.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

namespace {

// The ends of a grid, as files give them: [-128 s, 127 s] is a symmetric grid of scale s, although its ends differ.
quant::Grid grid_of_bounds(const quant::QuantSpec& spec, const quant::Range& range) {
  const double scale = (range.hi - range.lo) / (std::ldexp(1.0, spec.bits) - 1.0);
  const double offset = std::round(range.lo / scale);
  const bool ends_of_a_grid = range.lo <= 0.0 && range.hi >= 0.0 && std::abs(range.lo - offset * scale) < 1e-3 * scale;
  if (ends_of_a_grid) return {scale, static_cast<int64_t>(offset)};
  return quant::grid_from_range(spec, range);
}

bool has_bounds(const Json& entry) { return entry.contains("min") && entry.contains("max"); }

quant::Grid stated_grid(const Json& entry) {
  quant::Grid grid{entry["scale"].get<double>(), static_cast<int64_t>(std::llround(entry["offset"].get<double>()))};
  // Old files give the zero point instead of the offset; where there is a min, it must agree with the flipped sign.
  const bool flipped = grid.offset > 0 && (!has_bounds(entry) || std::abs(entry["min"].get<double>() + grid.scale * static_cast<double>(grid.offset)) <
                                                                     grid.scale / 2);
  if (flipped) grid.offset = -grid.offset;
  return grid;
}

DocumentEntry read_list(const std::string& name, const Json& list, const ReadContext& context) {
  if (!list.is_array() || list.empty()) fail("expected a list of entries", context.file, name);
  DocumentEntry result{.name = name};
  result.bits = read_bits(list[0], "bitwidth", context, name);
  if (list[0].value("dtype", "int") == "float") {
    result.kind = DocumentEntry::Kind::kFloat;
    return result;
  }
  const bool precision_only = !has_bounds(list[0]) && !list[0].contains("scale") && !list[0].contains("offset");
  if (precision_only && list[0].contains("dtype")) {
    result.kind = DocumentEntry::Kind::kPrecision;
    return result;
  }
  quant::Encoding& encoding = result.encoding;
  encoding.bits = result.bits;
  for (const Json& entry : list) {
    if (entry.value("bitwidth", 8) != encoding.bits) fail("the entries have different bit widths", context.file, name);
    const ListedGrid listed = read_listed_grid(entry, encoding.bits, context, name);
    encoding.is_symmetric = listed.symmetric;
    encoding.grids.push_back(listed.grid);
  }
  infer_strict(encoding);
  if (encoding.grids.size() > 1) encoding.channel_axis = 0;
  result.axis_known = encoding.grids.size() == 1;
  return result;
}

}  // namespace

ListedGrid read_listed_grid(const Json& entry, int bits, const ReadContext& context, const std::string& tensor) {
  ListedGrid result;
  result.symmetric = entry.contains("is_symmetric") && read_bool(entry["is_symmetric"]);
  if (entry.contains("scale") && entry.contains("offset")) {
    if (!(std::abs(entry["offset"].get<double>()) < 1e10)) fail("the offset is outside every grid", context.file, tensor);
    result.grid = stated_grid(entry);
  } else if (has_bounds(entry)) {
    const quant::QuantSpec spec{.bits = bits,
                                .symmetry = result.symmetric ? quant::Symmetry::kSymmetric : quant::Symmetry::kAsymmetric,
                                .min_range = 0.0};
    const quant::Range range{entry["min"].get<double>(), entry["max"].get<double>()};
    if (range.lo == 0.0 && range.hi == 0.0) fail("the range [0, 0] gives no scale", context.file, tensor);
    if (range.lo > range.hi) fail(format("min {} is above max {}", range.lo, range.hi), context.file, tensor);
    result.grid = grid_of_bounds(spec, range);
  } else {
    fail("an entry needs scale and offset, or min and max", context.file, tensor);
  }
  check_grid(result.grid, bits, context, tensor);
  return result;
}

void read_listed_sections(const Json& file, const ReadContext& context, EncodingsDocument& document) {
  for (const auto& [section, kind] : {std::pair{"activation_encodings", EncodingsSection::kActivation},
                                      std::pair{"param_encodings", EncodingsSection::kParameter}}) {
    if (!file.contains(section)) continue;
    for (const auto& [name, list] : file[section].items()) {
      try {
        document.entries.push_back(read_list(name, list, context));
        document.entries.back().section = kind;
      } catch (const Json::exception& error) {
        fail(format("an entry has a value of the wrong type: {}", error.what()), context.file, name);
      }
    }
  }
}

}  // namespace qtool::exporters::encodings
