// Sessions: shapes that depend on data, inputs, outputs, layouts.
#include "exec_fixture.h"
#include "qtool/support/error.h"

namespace qtool::exec::testing {
namespace {

TEST(DataDependentShapes, NonZeroRuns) {
  GraphBuilder b;
  const auto x = conv(b, b.input("x", {1, 3, 4, 4}), 3, 16, "x1");
  const auto positive = b.node("Relu", {x}, "positive");
  const auto where = b.node("NonZero", {positive}, "where");
  b.output(b.node("Transpose", {where}, "rows", {{"perm", Ints{1, 0}}}));
  b.output(positive);
  expect_as_interpreted(b);
}

// The shape of `count` is known although its input's is not.
TEST(DataDependentShapes, StaticValuesBehindDynamicOnes) {
  GraphBuilder b;
  const auto x = b.input("x", {3, 4});
  const auto where = b.node("NonZero", {b.node("Relu", {x}, "positive")}, "where");
  const auto floats = b.node("Cast", {where}, "floats", {{"to", int64_t{1}}});
  const auto total = b.node("ReduceSum", {floats}, "total", {{"keepdims", int64_t{0}}});
  b.output(b.node("Mul", {total, b.scalar(0.5f)}, "half"));
  const auto fixed = b.node("Reshape", {b.node("Concat", {floats, floats}, "pair", {{"axis", int64_t{0}}}),
                                        b.constant("s", ints({4, -1}))}, "fixed");
  b.output(b.node("Shape", {fixed}, "shape"));
  expect_as_interpreted(b);
}

TEST(DataDependentShapes, FixedReshapeOfADynamicValue) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 6});
  const auto kept = b.node("Compress", {x, b.constant("mask", Tensor::from<bool>(Shape{6}, {true, false, true, true, false, true}))}, "kept");
  const auto fixed = b.node("Reshape", {kept, b.constant("s", ints({2, 2}))}, "fixed");
  b.output(b.node("Relu", {fixed}, "y"));
  expect_as_interpreted(b, {fixed});
}

ErrorCode code_of(const std::function<void()>& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorCode::kInternal;
}

TEST(Sessions, WrongInputsAreRefusedByName) {
  GraphBuilder b;
  b.output(b.node("Relu", {b.input("picture", {1, 3})}, "y"));
  Session session = Executor(b.build().graph, {}).new_session();
  std::string text;
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({Tensor(DType::kFloat32, {1, 4})}); }, &text));
  EXPECT_NE(std::string::npos, text.find("picture")) << text;
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({Tensor(DType::kInt64, {1, 3})}); }));
  EXPECT_EQ(ErrorCode::kInvalidData, code_of([&] { (void)session.run({}); }));
  EXPECT_EQ(1u, session.run({Tensor(DType::kFloat32, {1, 3})}).size());
}

TEST(Sessions, OutputsStayWhenTheSessionRunsAgain) {
  GraphBuilder b;
  const auto x = b.input("x", {1, 16, 4, 4});
  b.output(conv(b, x, 16, 16, "y"));
  b.output(b.node("Identity", {x}, "same"));
  const ir::Graph graph = b.build().graph;
  Session session = Executor(graph, {}).new_session();
  auto inputs = random_inputs(graph, 1);
  const auto first = session.run(inputs);
  const Tensor kept = first[0].clone(), same = first[1].clone();
  for (float& value : inputs[0].mutable_data<float>()) value = 9.0f;
  (void)session.run(inputs);
  EXPECT_TRUE(kept.identical(first[0]));
  EXPECT_TRUE(same.identical(first[1]));
}

TEST(Layouts, SpansHoldEveryElementOnceWithoutPadding) {
  for (const int64_t channels : {3, 8, 16, 20}) {
    for (const int64_t block : {1, 8, 16}) {
      const Tensor plain = random_tensor({2, channels, 3, 2}, 3);
      const Layout layout{block};
      std::vector<float> memory(static_cast<size_t>(physical_count(plain.shape(), layout)), 1e30f);
      copy_from_plain(plain.data<float>().data(), plain.shape(), layout, memory.data());
      const PhysicalView view{memory.data(), plain.shape(), layout};
      EXPECT_TRUE(plain.identical(to_tensor(view)));
      // Padding is poisoned: it must not be seen.
      std::vector<float> expected(plain.data<float>().begin(), plain.data<float>().end()), found;
      for_each_span(view, [&](std::span<const float> span) { found.insert(found.end(), span.begin(), span.end()); });
      std::sort(expected.begin(), expected.end());
      std::sort(found.begin(), found.end());
      EXPECT_EQ(expected, found) << channels << " channels in blocks of " << block;
      std::vector<std::vector<float>> by_channel(static_cast<size_t>(channels));
      for_each_channel_span(view, [&](int64_t c, std::span<const float> span) {
        auto& list = by_channel[static_cast<size_t>(c)];
        list.insert(list.end(), span.begin(), span.end());
      });
      for (int64_t c = 0; c < channels; ++c) {
        std::vector<float> want;
        for (int64_t n = 0; n < 2; ++n) {
          const auto* from = plain.data<float>().data() + (n * channels + c) * 6;
          want.insert(want.end(), from, from + 6);
        }
        EXPECT_EQ(want, by_channel[static_cast<size_t>(c)]);
      }
    }
  }
}

}  // namespace
}  // namespace qtool::exec::testing
