#include <cmath>

#include "category_map.h"
#include "fixture.h"
#include "qtool/eval/nms.h"
#include "qtool/eval/registry.h"

namespace qtool::eval {
namespace {

DetectorSignature signature(std::vector<DetectorOutput> outputs, data::Size input = {640, 640},
                            std::optional<int64_t> categories = 80) {
  return {std::move(outputs), input, categories};
}

std::string chosen(const DetectorSignature& outputs) {
  return builtin_registry().choose("", outputs).name;
}

TEST(DecoderChoiceTest, RecognisesTheUsualForms) {
  EXPECT_EQ(chosen(signature({{"output0", {1, 84, 8400}}})), "yolov8");
  EXPECT_EQ(chosen(signature({{"output0", {1, 84, 2100}}}, {320, 320})), "yolov8");
  EXPECT_EQ(chosen(signature({{"output0", {1, 9, 756}}}, {192, 192}, 5)), "yolov8");
  EXPECT_EQ(chosen(signature({{"output0", {1, 25200, 85}}})), "yolov5");
  EXPECT_EQ(chosen(signature({{"output", {1, 3549, 85}}}, {416, 416})), "yolox");
  EXPECT_EQ(chosen(signature({{"boxes", {1, 1917, 4}}, {"scores", {1, 1917, 1}}}, {300, 300})),
            "ssd");
  EXPECT_EQ(chosen(signature({{"scores", {1, 4420, 2}}, {"boxes", {1, 4420, 4}}}, {320, 240})),
            "ssd");
}

TEST(DecoderChoiceTest, CategoriesTellClassesFromObjectness) {
  // A transposed YOLOv8 head has the form of YOLOX.
  EXPECT_EQ(chosen(signature({{"o", {1, 8400, 84}}})), "yolov8");
  EXPECT_EQ(chosen(signature({{"o", {1, 8400, 7}}}, {640, 640}, 3)), "yolov8");
  EXPECT_EQ(chosen(signature({{"o", {1, 8400, 7}}}, {640, 640}, 2)), "yolox");
}

TEST(DecoderChoiceTest, RecognisesUndecodedAndFinalForms) {
  EXPECT_EQ(chosen(signature({{"p3", {1, 144, 80, 80}}, {"p4", {1, 144, 40, 40}}, {"p5", {1, 144, 20, 20}}})), "yolov8-raw");
  EXPECT_EQ(chosen(signature({{"b3", {1, 64, 80, 80}}, {"c3", {1, 80, 80, 80}}, {"b4", {1, 64, 40, 40}}, {"c4", {1, 80, 40, 40}}})),
            "yolov8-raw");
  EXPECT_EQ(chosen(signature({{"p3", {1, 255, 80, 80}}, {"p4", {1, 255, 40, 40}}, {"p5", {1, 255, 20, 20}}})), "yolov5-raw");
  EXPECT_EQ(chosen(signature({{"p5", {1, 3, 20, 20, 85}}, {"p4", {1, 3, 40, 40, 85}}, {"p3", {1, 3, 80, 80, 85}}})), "yolov5-raw");
  EXPECT_EQ(chosen(signature({{"output", {1, 2125, 112}}}, {320, 320})), "nanodet");
  EXPECT_EQ(chosen(signature({{"output", {1, 8400, 112}}})), "nanodet");
  EXPECT_EQ(chosen(signature({{"output", {1, 85, 22, 22}}}, {352, 352})), "fastestdet");
  EXPECT_EQ(chosen(signature({{"output0", {1, 300, 6}}})), "end-to-end");
  EXPECT_EQ(chosen(signature({{"output0", {1, 300, 6}}}, {640, 640}, 2)), "end-to-end");
  EXPECT_EQ(chosen(signature({{"output0", {1, 300, 6}}}, {640, 640}, 1)), "end-to-end");
  EXPECT_EQ(chosen(signature({{"num_dets", {1, 1}}, {"det_boxes", {1, 100, 4}}, {"det_scores", {1, 100}}, {"det_classes", {1, 100}}})),
            "end-to-end");
  EXPECT_EQ(builtin_registry().choose("yolo-nas", signature({{"b", {1, 8400, 4}}, {"s", {1, 8400, 80}}})).name, "yolo-nas");
}

TEST(DecoderChoiceTest, HeadsOfTrainingMayStandBeside) {
  EXPECT_EQ(chosen(signature({{"output", {1, 25200, 85}}, {"p3", {1, 3, 80, 80, 85}}})), "yolov5");
}

TEST(DecoderChoiceTest, UnknownFormsListTheDecoders) {
  const Error error = error_of([] { (void)chosen(signature({{"logits", {1, 1000}}})); });
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(mentions(error, "logits [1, 1000]")) << error.what();
  EXPECT_TRUE(mentions(error, "end-to-end, fastestdet, nanodet, ssd, yolo-nas, yolov5, yolov5-raw, yolov7-raw, yolov8, yolov8-raw, yolov8-split, yolox")) << error.what();
}

TEST(DecoderChoiceTest, ANameForcesADecoderThatCanReadTheShapes) {
  const auto decoded_yolox = signature({{"output", {1, 3549, 85}}}, {416, 416});
  EXPECT_EQ(builtin_registry().choose("yolov5", decoded_yolox).name, "yolov5");
  EXPECT_EQ(error_of([&] { (void)builtin_registry().choose("ssd", decoded_yolox); }).code(),
            ErrorCode::kUsage);
  EXPECT_TRUE(mentions(error_of([&] { (void)builtin_registry().choose("yolo5", decoded_yolox); }),
                       "did you mean 'yolov5'?"));
}

Proposals decode(const std::string& name, const DetectorSignature& outputs,
                 std::vector<Tensor> tensors) {
  return builtin_registry().choose(name, outputs).decode({tensors, outputs, 0.001});
}

void expect_box(const Box& box, float x1, float y1, float x2, float y2) {
  EXPECT_FLOAT_EQ(box.x1, x1);
  EXPECT_FLOAT_EQ(box.y1, y1);
  EXPECT_FLOAT_EQ(box.x2, x2);
  EXPECT_FLOAT_EQ(box.y2, y2);
}

TEST(DecoderTest, Yolov8ReadsBothLayoutsAlike) {
  // One grid cell a column: 6 fields, 21 boxes of a 32 x 32 input.
  const data::Size input{32, 32};
  Tensor first(DType::kFloat32, {1, 6, 21}), last(DType::kFloat32, {1, 21, 6});
  for (int64_t field = 0; field < 6; ++field) {
    for (int64_t i = 0; i < 21; ++i) {
      const auto value = static_cast<float>(100 * field + i);
      first.mutable_data<float>()[static_cast<size_t>(field * 21 + i)] = value;
      last.mutable_data<float>()[static_cast<size_t>(i * 6 + field)] = value;
    }
  }
  const Proposals a = decode("", signature({{"o", {1, 6, 21}}}, input, 2), {first});
  const Proposals b = decode("", signature({{"o", {1, 21, 6}}}, input, 2), {last});
  EXPECT_EQ(a.class_count, 2);
  EXPECT_EQ(a.scores, b.scores);
  EXPECT_FLOAT_EQ(a.scores.at(3), 501);
  // Box 2: centre (2, 102), size 202 x 302.
  expect_box(a.boxes.at(2), 2 - 101, 102 - 151, 2 + 101, 102 + 151);
  expect_box(b.boxes.at(2), 2 - 101, 102 - 151, 2 + 101, 102 + 151);
}

TEST(DecoderTest, Yolov8InTwoPartsReadsAsTheWhole) {
  const data::Size input{32, 32};
  Tensor whole(DType::kFloat32, {1, 6, 21});
  const auto values = whole.mutable_data<float>();
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7 % 64);
  Tensor boxes(DType::kFloat32, {1, 4, 21}), scores(DType::kFloat32, {1, 2, 21});
  std::copy_n(values.begin(), 4 * 21, boxes.mutable_data<float>().begin());
  std::copy_n(values.begin() + 4 * 21, 2 * 21, scores.mutable_data<float>().begin());
  const Proposals expected = decode("yolov8", signature({{"o", {1, 6, 21}}}, input, 2), {whole});
  const DetectorOutput box_output{"b", {1, 4, 21}}, score_output{"s", {1, 2, 21}};
  EXPECT_EQ(chosen(signature({box_output, score_output}, input, 2)), "yolov8-split");
  for (const bool boxes_first : {true, false}) {
    const DetectorSignature outputs = boxes_first ? signature({box_output, score_output}, input, 2) : signature({score_output, box_output}, input, 2);
    const Proposals found = decode("", outputs, boxes_first ? std::vector{boxes, scores} : std::vector{scores, boxes});
    EXPECT_EQ(found.scores, expected.scores);
    for (size_t i = 0; i < expected.boxes.size(); ++i) {
      const Box& box = expected.boxes[i];
      expect_box(found.boxes.at(i), box.x1, box.y1, box.x2, box.y2);
    }
  }
}

TEST(DecoderTest, Yolov5MultipliesObjectnessAndLeavesOutWeakBoxes) {
  Tensor output(DType::kFloat32, {1, 63, 7});
  auto values = output.mutable_data<float>();
  const std::array<float, 7> row{10, 20, 4, 6, 0.5f, 0.5f, 1.0f};
  std::copy(row.begin(), row.end(), values.begin() + 7);
  const Proposals found = decode("", signature({{"o", {1, 63, 7}}}, {32, 32}, 2), {output});
  ASSERT_EQ(found.boxes.size(), 1u);
  expect_box(found.boxes[0], 8, 17, 12, 23);
  EXPECT_EQ(found.scores, (std::vector<float>{0.25f, 0.5f}));
}

TEST(DecoderTest, YoloxAddsTheGridAndScalesByTheStride) {
  // 32 x 32: 16 cells of stride 8, then 4 of stride 16, then 1 of 32. Row 18 is cell (0, 1) of
  // stride 16.
  Tensor output(DType::kFloat32, {1, 21, 6});
  auto row = output.mutable_data<float>().subspan(18 * 6, 6);
  row[0] = 0.5f, row[1] = 0.25f, row[2] = 0.0f, row[3] = std::log(0.5f), row[4] = 1.0f,
  row[5] = 0.75f;
  const Proposals found = decode("", signature({{"o", {1, 21, 6}}}, {32, 32}, 1), {output});
  ASSERT_EQ(found.boxes.size(), 1u);
  expect_box(found.boxes[0], 8 - 8, 20 - 4, 8 + 8, 20 + 4);
  EXPECT_FLOAT_EQ(found.scores[0], 0.75f);
}

TEST(DecoderTest, SsdScalesRelativeBoxesAndTakesPixelsAsTheyAre) {
  const auto outputs = signature({{"scores", {1, 2, 1}}, {"boxes", {1, 2, 4}}}, {300, 200}, 1);
  const Tensor scores = Tensor::from<float>({1, 2, 1}, {0.5f, 0.25f});
  const Tensor relative = Tensor::from<float>({1, 2, 4}, {0, 0.5f, 1, 1.25f, 0, 0, 0.5f, 0.5f});
  const Tensor pixels = Tensor::from<float>({1, 2, 4}, {0, 0.5f, 1, 250, 0, 0, 0.5f, 0.5f});
  expect_box(decode("", outputs, {scores, relative}).boxes.at(0), 0, 100, 300, 250);
  expect_box(decode("", outputs, {scores, pixels}).boxes.at(0), 0, 0.5f, 1, 250);
  EXPECT_EQ(decode("", outputs, {scores, pixels}).scores, (std::vector<float>{0.5f, 0.25f}));
}

const std::vector<Category> kGappy{{1, "a"}, {3, "b"}, {4, "c"}};

TEST(CategoryMapTest, TakesCategoriesInAscendingOrder) {
  const CategoryMap map(3, 0, kGappy, {});
  EXPECT_EQ(map.id_of(1), 3);
  EXPECT_EQ(map.id_of(3), -1);
}

TEST(CategoryMapTest, BackgroundShiftsTheClasses) {
  const CategoryMap map(4, 1, kGappy, {});
  EXPECT_EQ(map.id_of(0), -1);
  EXPECT_EQ(map.id_of(3), 4);
}

TEST(CategoryMapTest, AClassForEachIdIsTheIdItself) {
  EXPECT_EQ(CategoryMap(5, 0, kGappy, {}).id_of(3), 3);
  EXPECT_EQ(CategoryMap(5, 0, kGappy, {}).id_of(2), -1);
  EXPECT_EQ(CategoryMap(4, 0, kGappy, {}).id_of(3), 4);
}

TEST(CategoryMapTest, ListedIdsDecide) {
  EXPECT_EQ(CategoryMap(1, 0, kGappy, {4}).id_of(0), 4);
  EXPECT_EQ(error_of([] { CategoryMap(1, 0, kGappy, {2}); }).code(), ErrorCode::kUsage);
  EXPECT_TRUE(mentions(error_of([] { CategoryMap(1, 0, kGappy, {}); }), "the model has 1 classes"));
}

// Sets logits so that the distribution lies on one bin.
void point_at(Tensor& map, int64_t first_channel, int64_t cells, int64_t cell, int64_t bin, int64_t bins) {
  for (int64_t k = 0; k < bins; ++k) {
    map.mutable_data<float>()[static_cast<size_t>((first_channel + k) * cells + cell)] = k == bin ? 60.0f : 0.0f;
  }
}

TEST(DecoderTest, Yolov8RawTakesTheExpectedDistances) {
  // 32 x 32: maps of 4 x 4 (stride 8) and 2 x 2 (stride 16); one class. Cell 5 of the first is (1, 1).
  Tensor fine(DType::kFloat32, {1, 65, 4, 4}), coarse(DType::kFloat32, {1, 65, 2, 2});
  for (float& v : fine.mutable_data<float>()) v = -20.0f;
  for (float& v : coarse.mutable_data<float>()) v = -20.0f;
  for (int64_t k = 0; k < 4; ++k) point_at(fine, 16 * k, 16, 5, k + 1, 16);
  fine.mutable_data<float>()[64 * 16 + 5] = 0.0f;
  const Proposals found = decode("", signature({{"a", {1, 65, 4, 4}}, {"b", {1, 65, 2, 2}}}, {32, 32}, 1), {fine, coarse});
  ASSERT_EQ(found.boxes.size(), 1u);
  expect_box(found.boxes[0], 12 - 8, 12 - 16, 12 + 24, 12 + 32);
  EXPECT_FLOAT_EQ(found.scores[0], 0.5f);
}

TEST(DecoderTest, Yolov5RawUsesTheAnchorsOfItsFamily) {
  const auto outputs = signature({{"p3", {1, 18, 4, 4}}, {"p4", {1, 18, 2, 2}}, {"p5", {1, 18, 1, 1}}}, {32, 32}, 1);
  std::vector<Tensor> tensors{Tensor(DType::kFloat32, {1, 18, 4, 4}), Tensor(DType::kFloat32, {1, 18, 2, 2}),
                              Tensor(DType::kFloat32, {1, 18, 1, 1})};
  for (Tensor& t : tensors) {
    for (float& v : t.mutable_data<float>()) v = -60.0f;
  }
  // Anchor 1, cell (2, 1) of stride 16's map is out of it; take (1, 0).
  auto p4 = tensors[1].mutable_data<float>();
  for (const int64_t field : {0, 1, 2, 3, 5}) p4[static_cast<size_t>((6 + field) * 4 + 1)] = 0.0f;
  p4[(6 + 4) * 4 + 1] = 60.0f;
  const Proposals v5 = decode("yolov5-raw", outputs, tensors), v7 = decode("yolov7-raw", outputs, tensors);
  ASSERT_EQ(v5.boxes.size(), 1u);
  // Centre (1.5, 0.5) * 16, size 62 x 45 and 76 x 55.
  expect_box(v5.boxes[0], 24 - 31, 8 - 22.5f, 24 + 31, 8 + 22.5f);
  expect_box(v7.boxes.at(0), 24 - 38, 8 - 27.5f, 24 + 38, 8 + 27.5f);
  EXPECT_FLOAT_EQ(v5.scores[0], 0.5f);
}

TEST(DecoderTest, NanodetMeasuresFromTheCellsCorner) {
  // 64 x 64: 64 + 16 + 4 + 1 cells; two classes, 8 bins.
  Tensor output(DType::kFloat32, {1, 85, 34});
  auto row = output.mutable_data<float>().subspan(65 * 34, 34);  // cell (1, 0) of stride 16
  row[1] = 0.25f;
  for (size_t side = 0; side < 4; ++side) row[2 + 8 * side + side] = 60.0f;
  const Proposals found = decode("", signature({{"o", {1, 85, 34}}}, {64, 64}, 2), {output});
  expect_box(found.boxes.at(65), 16, 0 - 16, 16 + 32, 0 + 48);
  EXPECT_FLOAT_EQ(found.scores.at(131), 0.25f);
}

TEST(DecoderTest, FastestDetWeighsObjectnessAndClass) {
  Tensor output(DType::kFloat32, {1, 6, 2, 2});
  auto values = output.mutable_data<float>();
  values[0 * 4 + 3] = 0.5f;  // objectness of cell (1, 1)
  values[5 * 4 + 3] = 0.25f;
  const Proposals found = decode("", signature({{"o", {1, 6, 2, 2}}}, {32, 32}, 1), {output});
  expect_box(found.boxes.at(3), 16 - 8, 16 - 8, 16 + 8, 16 + 8);
  EXPECT_FLOAT_EQ(found.scores.at(3), std::pow(0.5f, 0.6f) * std::pow(0.25f, 0.4f));
}

TEST(DecoderTest, FinalDetectionsAreNotSuppressedAgain) {
  const Tensor table = Tensor::from<float>({1, 3, 6}, {0, 0, 10, 10, 0.5f, 1, 0, 0, 10, 10, 0.75f, 1, 0, 0, 5, 5, 0.0f, 0});
  const Proposals found = decode("", signature({{"o", {1, 3, 6}}}, {32, 32}, 2), {table});
  const std::vector<Detection> kept = select_detections(found, {});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_FLOAT_EQ(kept[0].score, 0.75f);
  EXPECT_EQ(kept[1].class_index, 1);
}

TEST(DecoderTest, FinalListsEndAtTheirCount) {
  const auto outputs = signature({{"num_dets", {1, 1}}, {"boxes", {1, 2, 4}}, {"scores", {1, 2}}, {"labels", {1, 2}}}, {32, 32}, 2);
  const Proposals found =
      decode("", outputs, {Tensor::from<float>({1, 1}, {1}), Tensor::from<float>({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}),
                           Tensor::from<float>({1, 2}, {0.5f, 0.25f}), Tensor::from<float>({1, 2}, {1, 0})});
  ASSERT_EQ(found.boxes.size(), 1u);
  EXPECT_EQ(found.final_classes, std::vector<int64_t>{1});
}

}  // namespace
}  // namespace qtool::eval
