#include "qtool/container/dlc_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "little_endian.h"
#include "qtool/container/dlc_text.h"
#include "qtool/container/dlc_writer.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "sample_dlc.h"
#include "zip_archive.h"

namespace qtool::container {
namespace {

using ::testing::HasSubstr;

std::string refusal(const Bytes& dlc) {
  try {
    (void)read_dlc(dlc, "x.dlc");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

std::vector<ZipEntry> entries_of(const Bytes& dlc) {
  const ZipArchive zip(dlc);
  std::vector<ZipEntry> entries;
  for (const auto& entry : zip.entries()) entries.push_back({entry.name, zip.read(entry)});
  return entries;
}

// The promise of the reader: whatever comes in, only Error leaves, and what is accepted is consistent.
void expect_safe(const Bytes& dlc, const std::string& what) {
  try {
    const DlcFile file = read_dlc(dlc, "mutated");
    for (const DlcGraph& graph : file.graphs) {
      for (const DlcTensor& tensor : graph.tensors) {
        const auto element = dlc_dtype_size_bytes(tensor.dtype);
        if (file.major == 4 && tensor.location == DlcLocation::kStatic && element) {
          EXPECT_EQ(tensor.data.size(), dlc_element_count(tensor.dims) * *element) << what;
        }
      }
    }
    EXPECT_FALSE(dlc_text(file).empty());  // text must cope with whatever was accepted
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::kInternal) << what << error.what();
  } catch (const std::exception& other) {
    ADD_FAILURE() << what << ": " << other.what();
  }
}

TEST(DlcReader, NamesTheVersionItRefuses) {
  const Bytes v2 = {std::byte{0xd5}, std::byte{0x0a}, std::byte{2}, {}, std::byte{5}, {}, {}, {}};
  EXPECT_THAT(refusal(write_zip({{"model", v2}})), AllOf(HasSubstr("version 2.5"), HasSubstr("file: x.dlc")));
  const Bytes v5 = {std::byte{0xd5}, std::byte{0x0a}, std::byte{5}, {}, {}, {}, {}, {}};
  EXPECT_THAT(refusal(write_zip({{"model", v5}})), HasSubstr("version 5.0"));
}

TEST(DlcReader, SaysWhatIsNotADlc) {
  EXPECT_THAT(refusal(Bytes(100, std::byte{1})), HasSubstr("no end record"));
  EXPECT_THAT(refusal(write_zip({{"word/document.xml", {}}})), HasSubstr("no record 'model'"));
  EXPECT_THAT(refusal(write_zip({{"model", Bytes(100, std::byte{1})}})), HasSubstr("prefix"));
}

TEST(DlcReader, NeedsTheParametersOfStatics) {
  auto entries = entries_of(write_dlc(sample_dlc()));
  entries.pop_back();
  EXPECT_THAT(refusal(write_zip(entries)), HasSubstr("no bytes for the tensor"));
}

TEST(DlcReader, TakesVersionFourOneWithoutPayloadForBroken) {
  auto entries = entries_of(write_dlc(sample_dlc()));
  for (auto& entry : entries) {
    if (entry.name != "dlc.metadata") entry.content[4] = std::byte{1};
  }
  EXPECT_THAT(refusal(write_zip(entries)), HasSubstr("model.params.bin"));
}

TEST(DlcReader, NotesAMissingCrc) {
  Bytes dlc = write_dlc(sample_dlc());
  const size_t directory = load_little_endian<uint32_t>(dlc, dlc.size() - 6);
  for (size_t i = 0; i < 4; ++i) dlc[directory + 16 + i] = std::byte{0};
  const DlcFile file = read_dlc(dlc, "x");
  ASSERT_EQ(file.notes.size(), 1u);
  EXPECT_THAT(file.notes[0], HasSubstr("CRC-32"));
}

TEST(DlcReader, SurvivesTruncationOfEveryRecord) {
  const auto entries = entries_of(write_dlc(sample_dlc()));
  for (size_t which = 0; which < entries.size(); ++which) {
    for (size_t size = 0; size < entries[which].content.size(); ++size) {
      auto cut = entries;
      cut[which].content.resize(size);
      expect_safe(write_zip(cut), format("{} cut to {}", entries[which].name, size));
    }
  }
}

// Every byte of the two records, set to values that offsets, lengths and vtables react to. The archive is built
// again each time, so that the CRC-32 does not shield the parser.
TEST(DlcReader, SurvivesEveryChangedByte) {
  const auto entries = entries_of(write_dlc(sample_dlc()));
  for (const size_t which : {size_t{1}, size_t{2}}) {
    for (size_t at = 0; at < entries[which].content.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x7f, 0xff}) {
        auto changed = entries;
        changed[which].content[at] = static_cast<std::byte>(value);
        expect_safe(write_zip(changed), format("{} byte {} = {}", entries[which].name, at, value));
      }
    }
  }
}

TEST(DlcReader, SurvivesRandomDamageInSeveralPlaces) {
  const Bytes dlc = write_dlc(sample_dlc());
  const auto entries = entries_of(dlc);
  std::mt19937 random(20240607);
  for (int round = 0; round < 2000; ++round) {
    auto changed = entries;
    Bytes& target = changed[1 + random() % 2].content;
    for (int i = 0; i < 6; ++i) target[random() % target.size()] = static_cast<std::byte>(random());
    expect_safe(write_zip(changed), format("records, round {}", round));
    Bytes archive = dlc;
    for (int i = 0; i < 3; ++i) archive[random() % archive.size()] = static_cast<std::byte>(random());
    expect_safe(archive, format("archive, round {}", round));
  }
}

}  // namespace
}  // namespace qtool::container
