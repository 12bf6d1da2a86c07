#include "qtool/eval/labels.h"

#include "fixture.h"

namespace qtool::eval {
namespace {

class LabelsTest : public FolderTest {
 protected:
  Labels load(const std::string& labels, LabelOptions options = {}) {
    if (!labels.empty()) options.path = folder_ / labels;
    return load_labels(folder_ / "images", options, reporter_);
  }
  template <class Kind>
  Kind load_as(const std::string& labels, LabelOptions options = {}) {
    return std::get<Kind>(load(labels, options));
  }
  void images(std::initializer_list<const char*> names) {
    for (const char* name : names) write_stub_image(std::string("images/") + name);
  }
  RecordingReporter reporter_;
};

TEST_F(LabelsTest, ReadsAClassListInItsOrder) {
  images({"a.jpg", "b c.jpg"});
  write("labels.txt", "# comment\nb c.jpg 7\n\na.jpg,3\r\n");
  const auto labels = load_as<ClassLabels>("labels.txt");
  ASSERT_EQ(labels.images.size(), 2u);
  EXPECT_EQ(labels.images[0].image.name, "b c.jpg");
  EXPECT_EQ(labels.images[0].class_index, 7);
  EXPECT_EQ(labels.images[1].image.path, folder_ / "images/a.jpg");
  EXPECT_EQ(labels.images[1].class_index, 3);
  EXPECT_TRUE(reporter_.entries.empty());
}

TEST_F(LabelsTest, FindsImagesInSubfoldersByTheirBareName) {
  images({"x/a.jpg", "y/b.jpg"});
  write("labels.txt", "a.jpg 0\nval/b.jpg 1\n");
  EXPECT_EQ(load_as<ClassLabels>("labels.txt").images[1].image.name, "y/b.jpg");
}

TEST_F(LabelsTest, RefusesABareNameThatFitsTwoImages) {
  images({"x/a.jpg", "y/a.jpg"});
  write("labels.txt", "a.jpg 0\n");
  const Error error = error_of([&] { (void)load("labels.txt"); });
  EXPECT_TRUE(mentions(error, "'x/a.jpg' and 'y/a.jpg'")) << error.what();
}

TEST_F(LabelsTest, NamesTheLineOfABadClass) {
  images({"a.jpg"});
  write("labels.txt", "a.jpg 1\na.jpg cat\n");
  const Error error = error_of([&] { (void)load("labels.txt"); });
  EXPECT_EQ(error.code(), ErrorCode::kInvalidData);
  EXPECT_TRUE(mentions(error, "line 2: 'cat' is not a class number")) << error.what();
}

TEST_F(LabelsTest, RefusesAnImageThatIsListedTwice) {
  images({"a.jpg"});
  write("labels.txt", "a.jpg 1\na.jpg 2\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)load("labels.txt"); }), "a second time"));
}

TEST_F(LabelsTest, LabelsWithoutImageAreAnErrorThatNamesThem) {
  images({"a.jpg"});
  write("labels.txt", "a.jpg 1\nb.jpg 2\nc.jpg 2\nd.jpg 2\ne.jpg 2\n");
  const Error error = error_of([&] { (void)load("labels.txt"); });
  EXPECT_TRUE(mentions(error, "4 of 5 labels have no image")) << error.what();
  EXPECT_TRUE(mentions(error, "'b.jpg', 'c.jpg', 'd.jpg' and 1 more")) << error.what();
  EXPECT_EQ(load_as<ClassLabels>("labels.txt", {.skip_missing_images = true}).images.size(), 1u);
}

TEST_F(LabelsTest, ImagesWithoutLabelAreLeftOutWithAWarning) {
  images({"a.jpg", "b.jpg"});
  write("labels.txt", "a.jpg 1\n");
  EXPECT_EQ(load_as<ClassLabels>("labels.txt").images.size(), 1u);
  ASSERT_EQ(reporter_.entries.size(), 1u);
  EXPECT_EQ(reporter_.entries[0].message, "1 of 2 images have no label and are left out: 'b.jpg'");
}

TEST_F(LabelsTest, SaysWhenNothingFits) {
  images({"a.jpg"});
  write("labels.txt", "z.jpg 1\n");
  const Error error = error_of([&] { (void)load("labels.txt"); });
  EXPECT_TRUE(mentions(error, "no label fits an image")) << error.what();
  EXPECT_TRUE(mentions(error, "'a.jpg'")) << error.what();
}

TEST_F(LabelsTest, EmptyAndMissingFoldersAreErrors) {
  std::filesystem::create_directories(folder_ / "images");
  write("labels.txt", "a.jpg 1\n");
  EXPECT_TRUE(mentions(error_of([&] { (void)load("labels.txt"); }), "the folder is empty"));
  images({"a.jpg"});
  EXPECT_EQ(error_of([&] { (void)load("nowhere"); }).code(), ErrorCode::kIo);
  std::filesystem::create_directories(folder_ / "masks");
  EXPECT_TRUE(mentions(error_of([&] { (void)load("masks"); }), "folder of labels is empty"));
}

TEST_F(LabelsTest, FoldersOfImagesNumberTheClassesByName) {
  images({"dog/1.jpg", "cat/2.jpg", "cat/sub/3.jpg", "stray.jpg"});
  const auto labels = load_as<ClassLabels>("");
  ASSERT_EQ(labels.images.size(), 3u);
  EXPECT_EQ(labels.images[0].image.name, "cat/2.jpg");
  EXPECT_EQ(labels.images[0].class_index, 0);
  EXPECT_EQ(labels.images[2].class_index, 1);
  EXPECT_TRUE(reporter_.entries.at(0).message.find("'stray.jpg'") != std::string::npos);
}

TEST_F(LabelsTest, AFlatFolderAloneHasNoLabels) {
  images({"a.jpg"});
  EXPECT_TRUE(mentions(error_of([&] { (void)load(""); }), "no labels"));
}

TEST_F(LabelsTest, LimitSpreadsOverAClassList) {
  images({"a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"});
  write("labels.txt", "a.jpg 0\nb.jpg 1\nc.jpg 2\nd.jpg 3\ne.jpg 4\n");
  const auto labels = load_as<ClassLabels>("labels.txt", {.limit = 2});
  ASSERT_EQ(labels.images.size(), 2u);
  EXPECT_EQ(labels.images[0].class_index, 0);
  EXPECT_EQ(labels.images[1].class_index, 2);
}

constexpr const char* kInstances = R"({
  "images": [{"id": 9, "file_name": "b.jpg"}, {"id": 4, "file_name": "a.jpg"}],
  "annotations": [{"id": 1, "image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4], "area": 5, "iscrowd": 1},
                  {"id": 2, "image_id": 9, "category_id": 2, "bbox": [1, 2, 3, 4]}],
  "categories": [{"id": 3, "name": "cat"}, {"id": 2, "name": "dog"}]})";

TEST_F(LabelsTest, ReadsCocoInstancesSortedById) {
  images({"a.jpg", "b.jpg"});
  write("instances.json", kInstances);
  const auto labels = load_as<DetectionLabels>("instances.json");
  ASSERT_EQ(labels.images.size(), 2u);
  EXPECT_EQ(labels.categories[0].name, "dog");
  EXPECT_EQ(labels.images[0].id, 4);
  EXPECT_TRUE(labels.images[0].boxes.empty());
  const TruthBox& box = labels.images[1].boxes.at(0);
  EXPECT_TRUE(box.crowd);
  EXPECT_EQ(box.area, 5);
  EXPECT_EQ(box.width, 3);
  EXPECT_EQ(labels.images[1].boxes.at(1).area, 12);
  EXPECT_FALSE(labels.images[1].boxes.at(1).crowd);
}

TEST_F(LabelsTest, RefusesJsonOfAnotherKind) {
  images({"a.jpg"});
  write("no_object.json", "[1]");
  write("broken.json", "{");
  write("type.json", R"({"images": [{"id": "x"}], "annotations": [], "categories": []})");
  for (const char* name : {"no_object.json", "broken.json", "type.json"}) {
    const Error error = error_of([&] { (void)load(name); });
    EXPECT_EQ(error.code(), ErrorCode::kInvalidData);
    EXPECT_TRUE(mentions(error, "not a file of COCO instances")) << error.what();
  }
}

TEST_F(LabelsTest, ReadsYoloFilesInPixels) {
  write_flat_png(folder_ / "images/a.png", 200, 100, {1, 2, 3});
  write("labels/a.txt", "1 0.5 0.5 0.25 0.5\n");
  write("labels/classes.txt", "cat\ndog\nbird\n");
  const auto labels = load_as<DetectionLabels>("labels");
  ASSERT_EQ(labels.categories.size(), 3u);
  EXPECT_EQ(labels.categories[1].name, "dog");
  const TruthBox& box = labels.images.at(0).boxes.at(0);
  EXPECT_DOUBLE_EQ(box.x, 75);
  EXPECT_DOUBLE_EQ(box.y, 25);
  EXPECT_DOUBLE_EQ(box.area, 2500);
  EXPECT_EQ(box.category_id, 1);
}

constexpr const char* kVocAnnotation = R"(<annotation><filename>a.jpg</filename>
<object><name>dog</name><difficult>0</difficult><bndbox><xmin>1</xmin><ymin>11</ymin><xmax>20</xmax><ymax>40</ymax></bndbox></object>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>
</annotation>)";

TEST_F(LabelsTest, ReadsVocAnnotationsWithOneBasedCorners) {
  images({"a.jpg"});
  write("annotations/a.xml", kVocAnnotation);
  const auto labels = load_as<DetectionLabels>("annotations");
  ASSERT_EQ(labels.categories.size(), 2u);
  EXPECT_EQ(labels.categories[0].name, "cat");
  const TruthBox& dog = labels.images.at(0).boxes.at(0);
  EXPECT_EQ(dog.category_id, 1);
  EXPECT_DOUBLE_EQ(dog.x, 0);
  EXPECT_DOUBLE_EQ(dog.y, 10);
  EXPECT_DOUBLE_EQ(dog.width, 20);
  EXPECT_DOUBLE_EQ(dog.height, 30);
  EXPECT_FALSE(dog.crowd);
  EXPECT_TRUE(labels.images[0].boxes.at(1).crowd);
}

TEST_F(LabelsTest, VocClassesFollowTheListBesideThem) {
  images({"a.jpg"});
  write("annotations/a.xml", kVocAnnotation);
  write("annotations/classes.txt", "dog\ncat\n");
  EXPECT_EQ(load_as<DetectionLabels>("annotations").images.at(0).boxes.at(0).category_id, 0);
  write("annotations/classes.txt", "dogs\ncat\n");
  const Error error = error_of([&] { (void)load("annotations"); });
  EXPECT_TRUE(mentions(error, "did you mean 'dogs'?")) << error.what();
}

TEST_F(LabelsTest, NamesTheFaultOfAVocAnnotation) {
  images({"a.jpg"});
  write("annotations/a.xml", "<annotation><object><name>dog</name></object></annotation>");
  EXPECT_TRUE(mentions(error_of([&] { (void)load("annotations"); }), "xmin"));
  write("annotations/a.xml", "<annotation><object>");
  EXPECT_TRUE(mentions(error_of([&] { (void)load("annotations"); }), "not readable as XML"));
}

TEST_F(LabelsTest, MasksMeetImagesWithoutExtension) {
  images({"a.jpg", "b.jpg"});
  write_stub_image("masks/b.png");
  const auto labels = load_as<SegmentationLabels>("masks");
  ASSERT_EQ(labels.images.size(), 1u);
  EXPECT_EQ(labels.images[0].image.name, "b.jpg");
}

TEST_F(LabelsTest, RefusesLabelsOfAnotherTask) {
  images({"a.jpg"});
  write("labels.txt", "a.jpg 0\n");
  const Error error = error_of([&] { (void)load("labels.txt", {.task = Task::kDetect}); });
  EXPECT_EQ(error.code(), ErrorCode::kUsage);
  EXPECT_TRUE(mentions(error, "task detect cannot use these labels")) << error.what();
}

TEST(TaskTest, ReadsNamesAndSuggests) {
  EXPECT_EQ(parse_task("segment"), Task::kSegment);
  EXPECT_TRUE(mentions(error_of([] { (void)parse_task("detekt"); }), "did you mean 'detect'?"));
}

}  // namespace
}  // namespace qtool::eval
