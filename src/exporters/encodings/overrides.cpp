// Qualcomm's --quantization_overrides: the sections of 0.6.1 without a version.
//
// Newer converters compute scale and offset again from bitwidth, min and max even when they are given; an entry is only
// written when that gives the same grid.
#include "encodings/format.h"
#include "qtool/support/format.h"

namespace qtool::exporters::encodings {

namespace {

constexpr double kSmallestRange = 1e-4;  // narrower ones are widened by the converter

void check_width(const DocumentEntry& entry) {
  if (entry.bits == 4 || entry.bits == 8 || entry.bits == 16 || entry.bits == 32) return;
  refuse(format("an override has 4, 8, 16 or 32 bits, not {}", entry.bits), entry.name);
}

// min and max of the grid on all 2^bits codes; the converter knows no strict grids.
Json entry_json(const DocumentEntry& entry, size_t channel, Losses& losses) {
  const quant::Encoding& encoding = entry.encoding;
  const double steps = std::ldexp(1.0, encoding.bits) - 1.0, scale = encoding.grids[channel].scale;
  const int64_t offset = encoding.is_strict ? lowest_signed(encoding.bits) : encoding.grids[channel].offset;
  const double lo = scale * static_cast<double>(offset), hi = scale * (static_cast<double>(offset) + steps);
  const double again = (hi - lo) / steps;
  if (std::abs(again - scale) > 1e-6 * scale || std::llround(lo / again) != offset) {
    refuse(format("scale {} and offset {} do not come back from [{}, {}]; round the scale to float32", scale, offset, lo, hi), entry.name);
  }
  if (encoding.is_strict) losses.add("strict symmetric levels became -2^(b-1) .. 2^(b-1)-1 at the same scale", entry.name);
  if (hi - lo < kSmallestRange) losses.add(format("the range is below {} and the converter may widen it", kSmallestRange), entry.name);
  return {{"bitwidth", encoding.bits}, {"dtype", "int"}, {"is_symmetric", python_bool(encoding.is_symmetric)},
          {"max", hi}, {"min", lo}, {"offset", offset}, {"scale", scale}};
}

Json entries_json(const DocumentEntry& entry, Losses& losses) {
  check_width(entry);
  Json list = Json::array();
  if (entry.kind != DocumentEntry::Kind::kGrid) {
    list.push_back({{"bitwidth", entry.bits}, {"dtype", entry.kind == DocumentEntry::Kind::kFloat ? "float" : "int"}});
    return list;
  }
  if (entry.encoding.grids.size() > 1 && !entry.encoding.is_symmetric) {
    refuse("per-channel overrides must be symmetric", entry.name);
  }
  for (size_t c = 0; c < entry.encoding.grids.size(); ++c) list.push_back(entry_json(entry, c, losses));
  return list;
}

Json write(const EncodingsDocument& document, Losses& losses) {
  Json activations = Json::object(), parameters = Json::object();
  for (const DocumentEntry& entry : document.entries) {
    refuse_blocks(entry, "an overrides file");
    (entry.section == EncodingsSection::kParameter ? parameters : activations)[entry.name] = entries_json(entry, losses);
  }
  Json file;
  file["activation_encodings"] = std::move(activations);
  file["param_encodings"] = std::move(parameters);
  return file;
}

}  // namespace

FileFormat format_overrides() { return {EncodingsFormat::kOverrides, "overrides", read_listed_sections, write}; }

}  // namespace qtool::exporters::encodings
