// Element-wise functions of one operand.
#include "dlc/lowering_table.h"

namespace qtool::exporters::dlc {
namespace {

enum Unary : uint32_t {
  kAbs = 0, kAsin = 1, kAtan = 2, kCeil = 3, kCos = 4, kExp = 5, kFloor = 6, kLog = 7, kNeg = 8, kNot = 9, kRound = 11,
  kSign = 13, kSin = 14, kSqrt = 15,
};
constexpr uint32_t kDivide = 2;  // of Eltwise_Binary

template <Unary kOperation>
void lower_unary(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  OpDraft draft = n.op("Eltwise_Unary", {n.read(0, order)});
  draft.u32("operation", kOperation);
  n.emit(std::move(draft), order);
}

void lower_reciprocal(NodeLowering& n) {
  const AxisOrder order = n.order_of(0);
  const std::string one = n.static_parameter("one", Tensor::from<float>(Shape{1}, {1.0f}));
  OpDraft draft = n.op("Eltwise_Binary", {one, n.read(0, order)});
  draft.u32("operation", kDivide);
  n.emit(std::move(draft), order);
}

}  // namespace

void register_lower_unary(LoweringTable& table) {
  table.add("Abs", {lower_unary<kAbs>});
  table.add("Asin", {lower_unary<kAsin>});
  table.add("Atan", {lower_unary<kAtan>});
  table.add("Ceil", {lower_unary<kCeil>});
  table.add("Cos", {lower_unary<kCos>});
  table.add("Exp", {lower_unary<kExp>});
  table.add("Floor", {lower_unary<kFloor>});
  table.add("Log", {lower_unary<kLog>});
  table.add("Neg", {lower_unary<kNeg>});
  table.add("Not", {lower_unary<kNot>});
  table.add("Round", {lower_unary<kRound>});
  table.add("Sign", {lower_unary<kSign>});
  table.add("Sin", {lower_unary<kSin>});
  table.add("Sqrt", {lower_unary<kSqrt>});
  table.add("Reciprocal", {lower_reciprocal});
}

}  // namespace qtool::exporters::dlc
