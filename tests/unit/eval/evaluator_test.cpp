// Whole runs on graphs made by hand.
#include "qtool/eval/evaluator.h"

#include "fixture.h"
#include "qtool/data/preprocess_request.h"
#include "qtool/eval/compare.h"
#include "qtool/ops/shape_inference.h"

namespace qtool::eval {
namespace {

constexpr int kSide = 32;

ir::ValueId add(ir::Graph& graph, const std::string& op, std::vector<ir::ValueId> inputs,
                std::map<std::string, ir::Attribute, std::less<>> attributes = {}) {
  ir::Node node;
  node.op_type = op;
  node.opset = 13;
  node.inputs = std::move(inputs);
  node.attributes = std::move(attributes);
  const ir::ValueId output = graph.add_value(graph.unique_name(op));
  node.outputs = {output};
  graph.add_node(std::move(node));
  return output;
}

// image [1, 3, 32, 32] -> mean over `axes`, times `factor`.
ir::Graph mean_times(std::vector<int64_t> axes, const Tensor& factor) {
  ir::Graph graph;
  graph.inputs = {graph.add_value("image", TensorType{DType::kFloat32, {1, 3, kSide, kSide}})};
  const auto mean = add(graph, "ReduceMean", {graph.inputs[0]},
                        {{"axes", std::move(axes)}, {"keepdims", int64_t{0}}});
  graph.outputs = {add(graph, "Mul", {mean, graph.add_constant("factor", factor)})};
  ops::infer_shapes(graph, ops::builtin_registry());
  return graph;
}

// Scores of the classes red, green, blue.
ir::Graph colour_classifier(float factor = 1.0f) {
  return mean_times({2, 3}, Tensor::from<float>({1, 3}, {factor, factor, factor}));
}

class EvaluatorTest : public FolderTest {
 protected:
  EvaluationOptions options(int threads = 1) {
    EvaluationOptions result;
    data::PreprocessingRequest request;
    request.resize = data::ResizeRule{data::ResizeKind::kStretch};
    request.scale = 1.0 / 255;
    result.preprocessing = data::resolve_preprocessing(request, {1, 3, kSide, kSide});
    result.threads = threads;
    return result;
  }

  EvaluationResult run(const ir::Graph& graph, const std::string& labels,
                       const EvaluationOptions& settings) {
    const exec::Executor executor(graph, {});
    const Labels truth = load_labels(folder_ / "images", {.path = folder_ / labels}, silent_);
    return evaluate(executor, graph, truth, settings, silent_);
  }

  SilentReporter silent_;
};

TEST_F(EvaluatorTest, ClassifierIsMeasuredAlikeOnAnyNumberOfThreads) {
  for (int i = 0; i < 4; ++i) {
    const Rgb color{static_cast<uint8_t>(i == 0 ? 200 : 0), static_cast<uint8_t>(i == 1 ? 200 : 0),
                    static_cast<uint8_t>(i >= 2 ? 200 : 0)};
    write_flat_png(folder_ / "images" / (std::to_string(i) + ".png"), 8, 8, color);
  }
  write("labels.txt", "0.png 0\n1.png 1\n2.png 2\n3.png 0\n");
  const ir::Graph graph = colour_classifier();
  for (const int threads : {1, 3}) {
    const EvaluationResult result = run(graph, "labels.txt", options(threads));
    EXPECT_EQ(result.task, Task::kClassify);
    EXPECT_EQ(result.images, 4);
    EXPECT_DOUBLE_EQ(result.metric("top1"), 0.75);
    EXPECT_DOUBLE_EQ(result.metric("top5"), 1.0);
    EXPECT_EQ(result.predicted_classes, (std::vector<int64_t>{0, 1, 2, 2}));
  }
}

TEST_F(EvaluatorTest, ClassOffsetShiftsTheModelsClasses) {
  write_flat_png(folder_ / "images/a.png", 8, 8, {0, 0, 200});
  write("labels.txt", "a.png 1\n");
  EvaluationOptions settings = options();
  settings.class_offset = 1;
  EXPECT_DOUBLE_EQ(run(colour_classifier(), "labels.txt", settings).metric("top1"), 1.0);
}

TEST_F(EvaluatorTest, RefusesLabelsBeyondTheModelsClasses) {
  write_flat_png(folder_ / "images/a.png", 8, 8, {0, 0, 200});
  write("labels.txt", "a.png 3\n");
  const Error error = error_of([&] { (void)run(colour_classifier(), "labels.txt", options()); });
  EXPECT_TRUE(mentions(error, "'a.png' has class 3, the model's classes end at 2")) << error.what();
}

TEST_F(EvaluatorTest, NamesTheImageThatCannotBeRead) {
  write_stub_image("images/a.png");
  write("labels.txt", "a.png 1\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)run(colour_classifier(), "labels.txt", options()); }),
                       "a.png"));
}

// Finds one square at (8, 8)..(24, 24) of the input in white pictures and nothing in black ones.
ir::Graph square_detector() {
  Tensor factor(DType::kFloat32, {1, 5, 21});
  auto values = factor.mutable_data<float>();
  for (size_t field = 0; field < 4; ++field) values[field * 21] = 16;  // cx, cy, w, h
  values[4 * 21] = 0.9f;
  return mean_times({1, 2, 3}, factor);
}

constexpr const char* kInstances = R"({
  "images": [{"id": 1, "file_name": "white.png"}, {"id": 2, "file_name": "black.png"}],
  "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "bbox": [16, 8, 32, 16]},
                  {"id": 2, "image_id": 2, "category_id": 5, "bbox": [16, 8, 32, 16]}],
  "categories": [{"id": 5, "name": "square"}]})";

TEST_F(EvaluatorTest, DetectionsAreMappedBackToThePicture) {
  write_flat_png(folder_ / "images/white.png", 64, 32, {255, 255, 255});
  write_flat_png(folder_ / "images/black.png", 64, 32, {0, 0, 0});
  write("instances.json", kInstances);
  const EvaluationResult result = run(square_detector(), "instances.json", options(2));
  EXPECT_EQ(result.decoder, "yolov8");
  ASSERT_EQ(result.detections.size(), 1u);
  EXPECT_NEAR(result.detections[0].x, 16, 1e-4);  // 64 pixels were squeezed into 32
  EXPECT_NEAR(result.detections[0].width, 32, 1e-4);
  EXPECT_EQ(result.detections[0].category_id, 5);
  EXPECT_NEAR(result.metric("mAP"), 51.0 / 101, 1e-9);  // one of two objects
  EXPECT_EQ(result.headline().name, "mAP");
}

TEST_F(EvaluatorTest, RefusesADetectorWithOtherClassesBeforeRunning) {
  write_stub_image("images/white.png");
  write_stub_image("images/black.png");
  write("instances.json", kInstances);
  const ir::Graph graph = mean_times({1, 2, 3}, Tensor(DType::kFloat32, {1, 7, 21}));
  EXPECT_TRUE(mentions(error_of([&] { (void)run(graph, "instances.json", options()); }),
                       "the model has 3 classes"));
}

TEST_F(EvaluatorTest, SegmentationComparesWithMasks) {
  // The image is the class map: red, green and blue are classes 0, 1 and 2.
  ir::Graph graph;
  graph.inputs = {graph.add_value("image", TensorType{DType::kFloat32, {1, 3, kSide, kSide}})};
  graph.outputs = {add(graph, "Relu", {graph.inputs[0]})};
  ops::infer_shapes(graph, ops::builtin_registry());
  write_flat_png(folder_ / "images/a.png", 2, 2, {0, 255, 0});
  write_grey_png(folder_ / "masks/a.png", 2, 2, {1, 1, 2, 255});
  const EvaluationResult result = run(graph, "masks", options());
  EXPECT_DOUBLE_EQ(result.metric("mIoU"), (2.0 / 3 + 0.0) / 2);
  EXPECT_DOUBLE_EQ(result.metric("pixel_accuracy"), 2.0 / 3);

  write_grey_png(folder_ / "masks/a.png", 2, 2, {1, 1, 3, 255});
  EXPECT_TRUE(
      mentions(error_of([&] { (void)run(graph, "masks", options()); }), "the mask has class 3"));
  write_grey_png(folder_ / "masks/a.png", 2, 1, {1, 1});
  EXPECT_TRUE(mentions(error_of([&] { (void)run(graph, "masks", options()); }),
                       "2x1 pixels, its image 2x2"));
}

TEST_F(EvaluatorTest, ComparesTwoModelsWithoutLabels) {
  write_flat_png(folder_ / "images/a.png", 8, 8, {10, 20, 200});
  write_flat_png(folder_ / "images/b.png", 8, 8, {100, 20, 20});
  const ir::Graph graph = colour_classifier(), louder = colour_classifier(1.1f);
  const exec::Executor reference(graph, {}), test(louder, {});
  const auto source = data::open_sample_source(folder_ / "images",
                                               {{"image", {DType::kFloat32, {1, 3, kSide, kSide}}}},
                                               {options().preprocessing, 0});
  for (const int threads : {1, 2}) {
    const ComparisonResult result = compare(reference, test, graph, *source, threads, silent_);
    EXPECT_EQ(result.samples, 2);
    ASSERT_EQ(result.outputs.size(), 1u);
    EXPECT_NEAR(result.outputs[0].sums.sqnr_db(), 20.0, 1e-3);  // noise is a tenth of the signal
    EXPECT_NEAR(result.outputs[0].sums.cosine(), 1.0, 1e-9);
    EXPECT_EQ(result.outputs[0].top1_agreement, 1.0);
  }
}

}  // namespace
}  // namespace qtool::eval
