// qtool run: the three input forms agree, and a simulated pass stays close to the float one without being equal.
#include <cmath>

#include "qtool/data/npy.h"
#include "qtool/data/npz.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/data/sample_source.h"
#include "tool.h"

namespace qtool::cli_test {
namespace {

using ::testing::HasSubstr;

class Run : public ToolTest {
 protected:
  // One evaluation image as the classifier takes it.
  static Tensor picture() {
    const TensorType type{DType::kFloat32, Shape({1, 3, 64, 64})};
    const auto request = data::parse_preprocessing_json(read_text(sample("classifier.preprocess.json")), "sidecar");
    return data::apply(data::read_image(sample("eval/classifier/images/003.jpg")), data::resolve_preprocessing(request, type.shape), type.shape);
  }
  static std::vector<float> values(const Tensor& tensor) {
    const auto data = tensor.data<float>();
    return {data.begin(), data.end()};
  }
  std::vector<float> scores(const Arguments& options) const {
    Arguments words = {"run", sample("classifier.onnx"), "--outputs", folder_ / "y.npz"};
    words.insert(words.end(), options.begin(), options.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    if (outcome.exit_code != 0) return {};
    const data::NamedTensors tensors = data::read_npz(folder_ / "y.npz");
    EXPECT_EQ(tensors.at(0).first, "output");
    return values(tensors[0].second);
  }
};

TEST_F(Run, TakesNpzNpyAndRaw) {
  const Tensor image = picture();
  data::write_npz(folder_ / "x.npz", {{"input", image}});
  data::write_npy(folder_ / "x.npy", image);
  const auto bytes = image.bytes();
  write_text(folder_ / "x.raw", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const std::vector<float> expected = scores({"--inputs", "x.npz"});
  ASSERT_EQ(expected.size(), 10u);
  EXPECT_EQ(scores({"--inputs", "x.npy"}), expected);
  EXPECT_EQ(scores({"--inputs", "x.raw"}), expected);
  EXPECT_EQ(scores({"--inputs", "input:=x.raw", "--threads", "2"}), expected);
}

TEST_F(Run, SimulationIsCloseToFloatButNotEqual) {
  ASSERT_EQ(quantize("classifier", folder_ / "out", {"--profile", "htp"}).exit_code, 0);
  data::write_npz(folder_ / "x.npz", {{"input", picture()}});
  const std::vector<float> exact = scores({"--inputs", "x.npz"});
  const std::vector<float> simulated = scores({"--inputs", "x.npz", "--encodings", "out/classifier.encodings.json"});
  ASSERT_EQ(exact.size(), simulated.size());
  double difference = 0.0, range = 0.0;
  for (size_t i = 0; i < exact.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(exact[i]) - simulated[i]));
    range = std::max(range, std::abs(static_cast<double>(exact[i])));
  }
  EXPECT_GT(difference, 0.0);
  EXPECT_LT(difference, 0.15 * range);  // 8 bits over 27 layers
  EXPECT_EQ(scores({"--inputs", "x.npz", "--encodings", "out/classifier.encodings.json", "--threads", "2"}), simulated);
}

TEST_F(Run, WritesNpyRawAndFolders) {
  data::write_npz(folder_ / "x.npz", {{"input", picture()}});
  const std::vector<float> expected = scores({"--inputs", "x.npz"});
  for (const char* name : {"y.npy", "y.raw", "folder"}) {
    ASSERT_EQ(run({"run", sample("classifier.onnx"), "--inputs", "x.npz", "--outputs", name}).exit_code, 0);
  }
  EXPECT_EQ(values(data::read_npy(folder_ / "y.npy")), expected);
  EXPECT_EQ(fs::file_size(folder_ / "y.raw"), 10 * sizeof(float));
  EXPECT_EQ(read_text(folder_ / "y.raw"), read_text(folder_ / "folder/output.raw"));
}

TEST_F(Run, WrongTensorsAreRefusedByName) {
  data::write_npz(folder_ / "key.npz", {{"picture", picture()}});
  const Outcome key = run({"run", sample("classifier.onnx"), "--inputs", "key.npz", "--outputs", "y.npz"});
  EXPECT_EQ(key.exit_code, 3);
  EXPECT_THAT(key.err, HasSubstr("'input'"));
  EXPECT_THAT(key.err, HasSubstr("picture"));
  write_text(folder_ / "short.raw", "1234");
  const Outcome size = run({"run", sample("classifier.onnx"), "--inputs", "short.raw", "--outputs", "y.npz"});
  EXPECT_EQ(size.exit_code, 3);
  EXPECT_THAT(size.err, HasSubstr("short.raw"));
  data::write_npz(folder_ / "shape.npz", {{"input", Tensor(TensorType{DType::kFloat32, Shape({1, 3, 32, 32})})}});
  const Outcome shape = run({"run", sample("classifier.onnx"), "--inputs", "shape.npz", "--outputs", "y.npz"});
  EXPECT_EQ(shape.exit_code, 3) << shape.err;
  EXPECT_THAT(shape.err, HasSubstr("input"));
  EXPECT_FALSE(fs::exists(folder_ / "y.npz"));
}

TEST_F(Run, UnknownOutputTensorIsAnsweredWithTheNearest) {
  data::write_npz(folder_ / "x.npz", {{"input", picture()}});
  const Outcome outcome = run({"run", sample("classifier.onnx"), "--inputs", "x.npz", "--outputs", "y.npz", "--output-tensor", "outptu"});
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("'output'"));
}

TEST_F(Run, EncodingsOfAnotherModelAreRefusedOrWarnedAbout) {
  ASSERT_EQ(quantize("detector", folder_ / "out", {"--limit", "2", "--emit", "encodings"}).exit_code, 0);
  data::write_npz(folder_ / "x.npz", {{"input", picture()}});
  const Outcome outcome = run({"run", sample("classifier.onnx"), "--inputs", "x.npz", "--outputs", "y.npz", "--encodings", "out/detector.encodings.json"});
  EXPECT_TRUE(outcome.exit_code == 3 || outcome.err.find("warning") != std::string::npos) << outcome.err;
}

TEST_F(Run, SummaryIsJson) {
  data::write_npz(folder_ / "x.npz", {{"input", picture()}});
  const Outcome outcome = run({"run", sample("classifier.onnx"), "--inputs", "x.npz", "--outputs", "y.npz", "--json"});
  ASSERT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(Json::parse(outcome.out).at("outputs").at("output").at("shape"), Json::parse("[1, 10]"));
}

TEST_F(Run, EvaluateReproducesTheAccuracyOfTheSample) {
  ASSERT_EQ(quantize("classifier", folder_ / "vanilla", {"--emit", "encodings"}).exit_code, 0);
  ASSERT_EQ(quantize("classifier", folder_ / "htp", {"--emit", "encodings", "--profile", "htp"}).exit_code, 0);
  const auto top1 = [&](const Arguments& options) {
    Arguments words = {"evaluate", sample("classifier.onnx"), "--images", sample("eval/classifier/images"), "--labels",
                       sample("eval/classifier/labels.txt"), "--preprocess", sample("classifier.preprocess.json"), "--json"};
    words.insert(words.end(), options.begin(), options.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.exit_code == 0 ? Json::parse(outcome.out).at("metrics").at("top1").get<double>() : -1.0;
  };
  EXPECT_NEAR(top1({}), 93.0, 0.5);  // the values of tools/sample/README.md; one image is 0.5
  EXPECT_NEAR(top1({"--encodings", "vanilla/classifier.encodings.json"}), 52.0, 5.0);
  EXPECT_NEAR(top1({"--encodings", "htp/classifier.encodings.json"}), 93.0, 1.5);
}

}  // namespace
}  // namespace qtool::cli_test
