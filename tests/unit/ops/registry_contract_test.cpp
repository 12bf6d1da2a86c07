#include <gtest/gtest.h>

#include "node_runner.h"
#include "qtool/support/error.h"

namespace qtool::ops::testing {
namespace {

TEST(RegistryContract, EveryOperatorHasAShapeRuleAndAKernel) {
  for (const OpDef* def : builtin_registry().all()) {
    EXPECT_TRUE(def->infer) << def->type;
    EXPECT_TRUE(def->evaluate) << def->type;
    EXPECT_GE(def->first_opset, 1) << def->type;
  }
}

TEST(RegistryContract, WeightInputsComeWithAChannelAxis) {
  for (const OpDef* def : builtin_registry().all()) {
    EXPECT_EQ(def->traits.weight_input >= 0, static_cast<bool>(def->traits.weight_channel_axis)) << def->type;
  }
}

TEST(RegistryContract, ANodeWithoutInputsFailsWithItsName) {
  for (const OpDef* def : builtin_registry().all()) {
    ir::Node node;
    node.name = "lonely";
    node.op_type = def->type;
    node.domain = def->domain;
    node.opset = 21;
    node.outputs = {ir::ValueId{0}};
    try {
      (void)infer_node(*def, InferContext(node, {}, {}));
      (void)evaluate_node(*def, EvalContext(node, {}));
      ADD_FAILURE() << def->type << " accepts a node without inputs";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel) << def->type << ": " << error.what();
      EXPECT_NE(std::string(error.what()).find("lonely"), std::string::npos) << def->type;
    }
  }
}

class UnaryOnEmpty : public ::testing::TestWithParam<const char*> {};

TEST_P(UnaryOnEmpty, KeepsTheShapeOfEmptyTensorsAndScalars) {
  for (const Shape& shape : {Shape{0}, Shape{2, 0, 3}, Shape{}}) {
    const Tensor result = run({.op = GetParam(), .opset = 20, .inputs = {Tensor(DType::kFloat32, shape)}});
    EXPECT_EQ(result.shape(), shape);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, UnaryOnEmpty,
                         ::testing::Values("Abs", "Neg", "Ceil", "Floor", "Round", "Sqrt", "Exp", "Erf", "Sin", "Sign",
                                           "IsNaN", "IsInf", "Relu", "LeakyRelu", "Elu", "Selu", "Celu",
                                           "ThresholdedRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Softplus",
                                           "Softsign", "Tanh", "Gelu", "Mish", "Shrink", "Clip", "Softmax",
                                           "LogSoftmax", "Hardmax", "Identity", "Dropout"));

}  // namespace
}  // namespace qtool::ops::testing
