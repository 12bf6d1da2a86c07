#include "zip_archive.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "little_endian.h"
#include "qtool/support/error.h"
#include "zip_format.h"

namespace qtool::container {
namespace {

Bytes bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

Bytes two_entries() { return write_zip({{"a", bytes_of("first")}, {"dir/b", bytes_of("second entry")}}); }

template <class T>
void put(Bytes& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

// Offsets in two_entries(): the directory starts where the end record says.
size_t directory_at(const Bytes& archive) { return load_little_endian<uint32_t>(archive, archive.size() - 6); }

void expect_refused(const Bytes& archive, ErrorCode code) {
  try {
    const ZipArchive zip(archive);
    for (const auto& entry : zip.entries()) (void)zip.read(entry);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
  }
}

TEST(ZipArchive, ReturnsWhatWasWrittenInOrder) {
  const Bytes archive = two_entries();
  const ZipArchive zip(archive);
  ASSERT_EQ(zip.entries().size(), 2u);
  EXPECT_EQ(zip.entries()[0].name, "a");
  EXPECT_EQ(zip.entries()[0].method, kZipStored);
  EXPECT_EQ(zip.read(zip.entries()[0]), bytes_of("first"));
  EXPECT_EQ(zip.read(*zip.find("dir/b")), bytes_of("second entry"));
  EXPECT_EQ(zip.find("absent"), nullptr);
}

TEST(ZipArchive, StoresTheCrcAndAFixedTime) {
  const Bytes archive = write_zip({{"a", bytes_of("123456789")}});
  EXPECT_EQ(load_little_endian<uint32_t>(archive, 14), 0xcbf43926u);  // the check value of CRC-32
  EXPECT_EQ(load_little_endian<uint16_t>(archive, 10), 0);            // 00:00
  EXPECT_EQ(load_little_endian<uint16_t>(archive, 12), 0x0021);       // 1980-01-01
}

TEST(ZipArchive, ReadsDeflatedEntries) {
  const Bytes plain(1000, std::byte{7});
  Bytes packed(200);
  z_stream stream{};
  ASSERT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(plain.data()));
  stream.avail_in = 1000;
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = 200;
  ASSERT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);

  Bytes archive = write_zip({{"a", packed}});
  const size_t central = directory_at(archive);
  put<uint16_t>(archive, central + 10, kZipDeflated);
  put<uint32_t>(archive, central + 16, static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(plain.data()), 1000)));
  put<uint32_t>(archive, central + 24, 1000);
  const ZipArchive zip(archive);
  EXPECT_EQ(zip.read(zip.entries()[0]), plain);

  put<uint32_t>(archive, central + 24, 1001);  // claims one byte more than comes out
  expect_refused(archive, ErrorCode::kInvalidData);
  put<uint32_t>(archive, central + 24, 0xf0000000);  // must fail before 4 GiB are allocated
  expect_refused(archive, ErrorCode::kInvalidData);
}

TEST(ZipArchive, TakesSizesAndOffsetFromAZip64Extra) {
  const Bytes content = bytes_of("content");
  Bytes archive = write_zip({{"a", content}});
  const size_t central = directory_at(archive);
  Bytes extra;
  append_little_endian<uint16_t>(extra, 0x7777);  // somebody else's field before ours
  append_little_endian<uint16_t>(extra, 2);
  append_little_endian<uint16_t>(extra, 0);
  append_little_endian<uint16_t>(extra, kZip64ExtraId);
  append_little_endian<uint16_t>(extra, 24);
  append_little_endian<uint64_t>(extra, content.size());
  append_little_endian<uint64_t>(extra, content.size());
  append_little_endian<uint64_t>(extra, 0);
  put<uint32_t>(archive, central + 20, 0xffffffff);
  put<uint32_t>(archive, central + 24, 0xffffffff);
  put<uint32_t>(archive, central + 42, 0xffffffff);
  put<uint16_t>(archive, central + 30, static_cast<uint16_t>(extra.size()));
  archive.insert(archive.begin() + static_cast<ptrdiff_t>(central + kZipCentralSize + 1), extra.begin(), extra.end());
  put<uint32_t>(archive, archive.size() - 10, static_cast<uint32_t>(kZipCentralSize + 1 + extra.size()));
  const ZipArchive zip(archive);
  EXPECT_EQ(zip.read(zip.entries()[0]), content);
}

TEST(ZipArchive, ToleratesAZeroCrcAndRefusesAWrongOne) {
  Bytes archive = two_entries();
  const size_t central = directory_at(archive);
  put<uint32_t>(archive, central + 16, 0);
  const ZipArchive zip(archive);
  EXPECT_EQ(zip.read(zip.entries()[0]), bytes_of("first"));
  put<uint32_t>(archive, central + 16, 1);
  expect_refused(archive, ErrorCode::kInvalidData);
}

TEST(ZipArchive, RefusesEveryTruncation) {
  const Bytes archive = two_entries();
  for (size_t size = 0; size < archive.size(); ++size) {
    expect_refused(Bytes(archive.begin(), archive.begin() + static_cast<ptrdiff_t>(size)), ErrorCode::kInvalidData);
  }
}

TEST(ZipArchive, RefusesEncryptionUnknownMethodsAndRepeatedNames) {
  Bytes encrypted = two_entries();
  put<uint16_t>(encrypted, directory_at(encrypted) + 8, 1);
  expect_refused(encrypted, ErrorCode::kUnsupported);
  Bytes method = two_entries();
  put<uint16_t>(method, directory_at(method) + 10, 14);
  expect_refused(method, ErrorCode::kUnsupported);
  expect_refused(write_zip({{"a", {}}, {"a", {}}}), ErrorCode::kInvalidData);
}

}  // namespace
}  // namespace qtool::container
