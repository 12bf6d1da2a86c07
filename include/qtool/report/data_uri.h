// Bytes inside a document: pictures travel in the page itself.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace qtool::report {

// "data:<media type>;base64,..." (RFC 2397, RFC 4648 section 4).
[[nodiscard]] std::string data_uri(std::string_view media_type, std::span<const std::byte> bytes);

}  // namespace qtool::report
