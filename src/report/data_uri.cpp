#include "qtool/report/data_uri.h"

#include <cstdint>

namespace qtool::report {

std::string data_uri(std::string_view media_type, std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string uri = "data:" + std::string(media_type) + ";base64,";
  uri.reserve(uri.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) group = group << 8 | (at + i < bytes.size() ? static_cast<uint32_t>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) {
      const bool padding = at + i > bytes.size();
      uri.push_back(padding ? '=' : kDigits[group >> (18 - 6 * i) & 63u]);
    }
  }
  return uri;
}

}  // namespace qtool::report
