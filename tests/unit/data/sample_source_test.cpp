#include "qtool/data/sample_source.h"

#include <gtest/gtest.h>

#include <atomic>

#include "qtool/data/npy.h"
#include "qtool/data/npz.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/support/files.h"
#include "qtool/support/parallel.h"
#include "unit/data/fixture.h"

namespace qtool::data {
namespace {

namespace fs = std::filesystem;

const std::vector<InputSpec> kPicture{{"image", {DType::kFloat32, Shape{1, 3, 8, 8}}}};
const std::vector<InputSpec> kVector{{"x", {DType::kFloat32, Shape{1, 2}}}};
const std::vector<InputSpec> kTwo{{"a", {DType::kFloat32, Shape{1, 2}}},
                                  {"b", {DType::kFloat32, Shape{1}}}};

class SampleSourceTest : public FolderTest {
 protected:
  void put(const std::string& name, std::string_view content) {
    fs::create_directories((folder_ / name).parent_path());
    write_file_atomically(folder_ / name, std::as_bytes(std::span(content)));
  }
  void put_picture(const std::string& name, const std::string& from = "scene.jpg") {
    fs::create_directories((folder_ / name).parent_path());
    fs::copy_file(fixture(from), folder_ / name);
  }
  void put_floats(const std::string& name, const std::vector<float>& values) {
    put(name, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  [[nodiscard]] std::unique_ptr<SampleSource> open(const std::string& name,
                                                   const std::vector<InputSpec>& inputs,
                                                   int64_t limit = 0) const {
    SampleOptions options;
    options.limit = limit;
    if (inputs[0].type.shape.rank() == 4)
      options.preprocessing = resolve_preprocessing({}, inputs[0].type.shape);
    return open_sample_source(folder_ / name, inputs, options);
  }
};

std::vector<std::string> names_of(const SampleSource& source) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < source.size(); ++i) names.push_back(source.name(i));
  return names;
}

TEST_F(SampleSourceTest, FolderIsRecursiveAndSortedBytewise) {
  for (const std::string name :
       {"b.JPG", "a/z.png", "B.jpeg", "a.jpg", ".hidden.jpg", ".git/x.jpg"})
    put_picture(name);
  put("labels.txt", "a.jpg 3\n");
  const auto source = open("", kPicture);
  EXPECT_EQ(names_of(*source), (std::vector<std::string>{"B.jpeg", "a.jpg", "a/z.png", "b.JPG"}));
  EXPECT_EQ(source->load(0).at("image").shape(), (Shape{1, 3, 8, 8}));
  EXPECT_EQ(names_of(*open("", kPicture, 2)), (std::vector<std::string>{"B.jpeg", "a.jpg"}));
}

TEST_F(SampleSourceTest, FoldersThatCannotBeUsedAreErrorsNamingThem) {
  EXPECT_TRUE(mentions(error_of([&] { (void)open("", kPicture); }), "is empty"));
  EXPECT_EQ(error_of([&] { (void)open("missing", kPicture); }).code(), ErrorCode::kIo);
  put("readme.md", "x");
  EXPECT_TRUE(mentions(error_of([&] { (void)open("", kPicture); }), "none of the 1 files"));
  put_picture("a.jpg");
  put_floats("b.raw", {1});
  const Error mixed = error_of([&] { (void)open("", kPicture); });
  EXPECT_TRUE(mentions(mixed, "'a.jpg' is an image, 'b.raw' is a raw float file")) << mixed.what();
  EXPECT_TRUE(mentions(mixed, folder_.string()));
}

TEST_F(SampleSourceTest, ListIsReadRelativeToItself) {
  put_picture("deep/two words.jpg");
  put_picture("deep/b.jpg");
  put("deep/list.txt", "# comment\n\n  b.jpg \r\ntwo words.jpg\nb.jpg\n");
  EXPECT_EQ(names_of(*open("deep/list.txt", kPicture)),
            (std::vector<std::string>{"b.jpg", "two words.jpg", "b.jpg"}));
}

TEST_F(SampleSourceTest, ListWithNamedInputs) {
  put_floats("a.raw", {1, 2});
  put_floats("b.bin", {3});
  put("list.txt", "%out1 out2\nb:=b.bin a:=a.raw\na.raw b.bin\n");
  const auto source = open("list.txt", kTwo);
  ASSERT_EQ(source->size(), 2);
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(source->load(i).at("a").to_float(), (std::vector<float>{1, 2}));
    EXPECT_EQ(source->load(i).at("b").to_float(), std::vector<float>{3});
  }
}

TEST_F(SampleSourceTest, ListMistakesNameTheLine) {
  put_floats("a.raw", {1, 2});
  put_floats("b.raw", {3});
  put("wrong_name.txt", "\na:=a.raw bb:=b.raw\n");
  const Error wrong_name = error_of([&] { (void)open("wrong_name.txt", kTwo); });
  EXPECT_TRUE(mentions(wrong_name, "line 2: the model has no input 'bb', did you mean"))
      << wrong_name.what();
  put("too_few.txt", "a:=a.raw\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)open("too_few.txt", kTwo); }),
                       "found 1 files, the model has 2 inputs"));
  put("twice.txt", "a:=a.raw a:=b.raw\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)open("twice.txt", kTwo); }), "given twice"));
  put("missing.txt", "gone.raw\n");
  const Error missing = error_of([&] { (void)open("missing.txt", kVector); });
  EXPECT_EQ(missing.code(), ErrorCode::kIo);
  EXPECT_TRUE(mentions(missing, "gone.raw")) << missing.what();
  put("empty.txt", "# nothing\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)open("empty.txt", kVector); }), "names no samples"));
}

TEST_F(SampleSourceTest, RawFileOfWrongSizeStatesBothSizes) {
  put_floats("a.raw", {1, 2, 3});
  const auto source = open("a.raw", kVector);
  const Error error = error_of([&] { (void)source->load(0); });
  EXPECT_TRUE(mentions(error, "found 12 bytes")) << error.what();
  EXPECT_TRUE(mentions(error, "needs 8"));
  EXPECT_TRUE(mentions(error, "a.raw"));
}

TEST_F(SampleSourceTest, NpyGainsBatchAndFloatType) {
  write_npy(folder_ / "a.npy", Tensor::from<double>(Shape{2}, {0.5, 1.5}));
  EXPECT_EQ(open("", kVector)->load(0).at("x").to_float(), (std::vector<float>{0.5f, 1.5f}));
}

TEST_F(SampleSourceTest, NpyOfOtherShapeOrTypeIsRefused) {
  write_npy(folder_ / "shape.npy", Tensor::from<float>(Shape{1, 3}, {1, 2, 3}));
  write_npy(folder_ / "type.npy", Tensor::from<uint8_t>(Shape{1, 2}, {1, 2}));
  EXPECT_TRUE(mentions(error_of([&] { (void)open("shape.npy", kVector)->load(0); }),
                       "needs shape [1, 2], found [1, 3]"));
  EXPECT_TRUE(mentions(error_of([&] { (void)open("type.npy", kVector)->load(0); }), "type.npy"));
}

TEST_F(SampleSourceTest, NpzKeysAreInputNames) {
  const Tensor a = Tensor::from<float>(Shape{1, 2}, {1, 2}), b = Tensor::from<float>(Shape{1}, {3});
  write_npz(folder_ / "0.npz", {{"b", b}, {"a", a}, {"unused", a}});
  const Sample sample = open("", kTwo)->load(0);
  EXPECT_EQ(sample.size(), 2u);
  EXPECT_TRUE(sample.at("a").identical(a));
  const Error error = error_of([&] { (void)open("", kVector)->load(0); });
  EXPECT_TRUE(mentions(error, "no tensor 'x' in the archive (it holds: b, a, unused)"))
      << error.what();
}

TEST_F(SampleSourceTest, PicturesCannotFeedTwoInputs) {
  put_picture("a.jpg");
  EXPECT_THROW((void)open("", kTwo), Error);
}

TEST_F(SampleSourceTest, BadPictureIsAnErrorUnlessSkipped) {
  put_picture("a.jpg");
  put("b.jpg", "no picture");
  put_picture("c.png", "scene.png");
  put("d.jpg", "");
  EXPECT_TRUE(mentions(error_of([&] { (void)open("", kPicture)->load(1); }), "b.jpg"));
  for (const int threads : {1, 4}) {
    const ScreenedSource screened = skip_bad_samples(open("", kPicture), 0, threads);
    EXPECT_EQ(names_of(*screened.source), (std::vector<std::string>{"a.jpg", "c.png"}));
    ASSERT_EQ(screened.skipped.size(), 2u);
    EXPECT_EQ(screened.skipped[0].name, "b.jpg");
    EXPECT_NE(screened.skipped[0].reason.find("expected JPEG, PNG or BMP"), std::string::npos);
    EXPECT_EQ(screened.source->load(1).at("image").shape(), (Shape{1, 3, 8, 8}));
  }
}

TEST_F(SampleSourceTest, LimitCountsGoodSamplesWhenSkipping) {
  put("a.jpg", "bad");
  for (const std::string name : {"b.jpg", "c.jpg", "e.jpg"}) put_picture(name);
  put("d.jpg", "bad");
  const ScreenedSource screened = skip_bad_samples(open("", kPicture), 2, 2);
  EXPECT_EQ(names_of(*screened.source), (std::vector<std::string>{"b.jpg", "c.jpg"}));
  EXPECT_EQ(screened.skipped.size(), 1u);
}

TEST_F(SampleSourceTest, NothingButBadSamplesIsAnError) {
  put("a.jpg", "bad");
  const Error error = error_of([&] { (void)skip_bad_samples(open("", kPicture), 0, 1); });
  EXPECT_TRUE(mentions(error, "none of 1 samples")) << error.what();
}

TEST_F(SampleSourceTest, LoadingInParallelGivesTheSame) {
  for (int i = 0; i < 8; ++i)
    put_picture(std::to_string(i) + ".jpg", i % 2 ? "grey.jpg" : "scene.jpg");
  const auto source = open("", kPicture);
  std::atomic<int> different = 0;
  parallel_for(64, 4, [&](int64_t i, int) {
    const Sample first = source->load(i % 8), expected = source->load(i % 2);
    if (!first.at("image").identical(expected.at("image"))) ++different;
  });
  EXPECT_EQ(different, 0);
}

}  // namespace
}  // namespace qtool::data
