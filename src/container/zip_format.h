// Numbers of the ZIP format (APPNOTE 6.3), as far as a DLC uses them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qtool::container {

constexpr uint32_t kZipLocalSignature = 0x04034b50;
constexpr uint32_t kZipCentralSignature = 0x02014b50;
constexpr uint32_t kZipEndSignature = 0x06054b50;
constexpr uint32_t kZip64EndSignature = 0x06064b50;
constexpr uint32_t kZip64LocatorSignature = 0x07064b50;

constexpr size_t kZipLocalSize = 30;
constexpr size_t kZipCentralSize = 46;
constexpr size_t kZipEndSize = 22;
constexpr size_t kZip64EndSize = 56;
constexpr size_t kZip64LocatorSize = 20;

constexpr uint16_t kZipStored = 0;
constexpr uint16_t kZipDeflated = 8;
constexpr uint16_t kZipEncryptedFlag = 1;
constexpr uint16_t kZip64ExtraId = 1;
constexpr uint16_t kZipVersion = 20;         // 2.0: what plain archivers state for stored entries
constexpr uint16_t kZipEpochDate = 0x0021;   // 1980-01-01, the smallest date the format can hold

}  // namespace qtool::container
