#include "qtool/container/dlc_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "sample_dlc.h"

namespace qtool::container {
namespace {

using ::testing::HasSubstr;

DlcTensor& tensor(DlcFile& file, std::string_view name) {
  for (DlcTensor& candidate : file.graphs[0].tensors) {
    if (candidate.name == name) return candidate;
  }
  throw std::out_of_range("no such tensor in the sample");
}

DlcOp& op(DlcFile& file, std::string_view name) {
  for (DlcOp& candidate : file.graphs[0].ops) {
    if (candidate.name == name) return candidate;
  }
  throw std::out_of_range("no such op in the sample");
}

DlcAttribute& attribute(DlcFile& file, std::string_view op_name, std::string_view name) {
  for (DlcAttribute& candidate : op(file, op_name).attributes) {
    if (candidate.name == name) return candidate;
  }
  throw std::out_of_range("no such attribute in the sample");
}

void drop_attribute(DlcFile& file, std::string_view op_name, std::string_view name) {
  std::erase_if(op(file, op_name).attributes, [&](const DlcAttribute& candidate) { return candidate.name == name; });
}

// Appends `type` between the sample's output and a new one, with equal encodings.
DlcOp& append_op(DlcFile& file, const char* type, std::vector<DlcAttribute> attributes) {
  DlcGraph& graph = file.graphs[0];
  DlcTensor next = tensor(file, "out");
  tensor(file, "out").location = DlcLocation::kNative;
  next.name = "next";
  graph.tensors.push_back(next);
  graph.ops.push_back({.name = "last", .type = type, .inputs = {"out"}, .outputs = {"next"}, .attributes = std::move(attributes)});
  return graph.ops.back();
}

void retype_relu_as_clip(DlcFile& file, float limit) {
  op(file, "relu").attributes = {u32_attribute("operation", 5), f32_attribute("min_value", 0), f32_attribute("max_value", limit)};
}

void make_per_tensor_weight(DlcFile& file) {
  tensor(file, "weight").encoding = per_tensor(0.01f, 0, 8);
  tensor(file, "bias").encoding = per_tensor(0.01f / 64, 0, 32);
}

struct Case {
  const char* name;
  std::function<void(DlcFile&)> change;
  const char* message;  // part of what()
};

class Refused : public ::testing::TestWithParam<Case> {};

TEST_P(Refused, WithAMessageThatNamesThePlace) {
  DlcFile file = sample_dlc();
  ASSERT_NO_THROW(verify_dlc(file)) << "the sample itself must be right";
  GetParam().change(file);
  try {
    verify_dlc(file);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
    EXPECT_THAT(std::string(error.what()), HasSubstr(GetParam().message));
  }
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

const Case kTensorCases[] = {
    {"StaticTooShort", [](DlcFile& f) { tensor(f, "weight").data.pop_back(); }, "tensor: weight"},
    {"StaticTooLong", [](DlcFile& f) { tensor(f, "bias").data.resize(16); }, "16 bytes"},
    {"StaticEmpty", [](DlcFile& f) { tensor(f, "weight").data.clear(); }, "0 bytes"},
    {"BytesOnActivation", [](DlcFile& f) { tensor(f, "sum").data.resize(48); }, "only static tensors have bytes"},
    {"EmptyName", [](DlcFile& f) { tensor(f, "sum").name.clear(); }, "no name"},
    {"SFixed4", [](DlcFile& f) { tensor(f, "weight").dtype = DlcDtype::kSFixed4; }, "4-bit types"},
    {"UnknownType", [](DlcFile& f) { tensor(f, "sum").dtype = static_cast<DlcDtype>(0x777); }, "0x777"},
    {"ZeroDim", [](DlcFile& f) { tensor(f, "sum").dims[0] = 0; }, "fixed shapes"},
    {"UnknownLocation", [](DlcFile& f) { tensor(f, "sum").location = static_cast<DlcLocation>(6); }, "location 6"},
    {"AttributeTensorTooShort", [](DlcFile& f) { std::get<DlcTensor>(attribute(f, "conv", "stride").value).data.pop_back(); }, "conv_stride"},
    {"AttributeTensorNotStatic", [](DlcFile& f) { std::get<DlcTensor>(attribute(f, "conv", "stride").value).location = DlcLocation::kNative; }, "must be static"},
    {"AttributeTensorUnnamed", [](DlcFile& f) { std::get<DlcTensor>(attribute(f, "conv", "stride").value).name.clear(); }, "attribute tensor has no name"},
};
INSTANTIATE_TEST_SUITE_P(Tensors, Refused, ::testing::ValuesIn(kTensorCases), case_name);

const Case kEncodingCases[] = {
    {"MissingOnFixedPoint", [](DlcFile& f) { tensor(f, "image").encoding = {}; }, "needs an encoding"},
    {"OnFloat", [](DlcFile& f) { tensor(f, "image").dtype = DlcDtype::kFloat32; }, "no use for an encoding"},
    {"ScaleZero", [](DlcFile& f) { tensor(f, "sum").encoding.entries[0].scale = 0; }, "scale 0"},
    {"ScaleNegative", [](DlcFile& f) { tensor(f, "sum").encoding.entries[0].scale = -1; }, "scale -1"},
    {"ScaleInfinite", [](DlcFile& f) { tensor(f, "sum").encoding.entries[0].scale = std::numeric_limits<float>::infinity(); }, "scale inf"},
    {"ScaleNaN", [](DlcFile& f) { tensor(f, "weight").encoding.entries[1].scale = std::numeric_limits<float>::quiet_NaN(); }, "scale nan"},
    {"RangeNaN", [](DlcFile& f) { tensor(f, "sum").encoding.entries[0].max = std::numeric_limits<float>::quiet_NaN(); }, "not finite"},
    {"PositiveOffset", [](DlcFile& f) { tensor(f, "image").encoding.entries[0].offset = 1; }, "offset 1 is outside -255 to 0"},
    {"OffsetBelowCodes", [](DlcFile& f) { tensor(f, "image").encoding.entries[0].offset = -256; }, "offset -256"},
    {"SignedOffsetTooHigh", [](DlcFile& f) { make_per_tensor_weight(f); tensor(f, "weight").encoding.entries[0].offset = 129; }, "offset 129 is outside -127 to 128"},
    {"ChannelCount", [](DlcFile& f) { tensor(f, "weight").encoding.entries.pop_back(); }, "2 encodings for 3 channels"},
    {"ChannelOffset", [](DlcFile& f) { tensor(f, "weight").encoding.entries[2].offset = -3; }, "must be symmetric"},
    {"AxisOutside", [](DlcFile& f) { tensor(f, "weight").encoding.axis = 4; }, "axis 4"},
    {"AxisNegative", [](DlcFile& f) { tensor(f, "weight").encoding.axis = -1; }, "axis -1"},
    {"AxisNotTheOutput", [](DlcFile& f) { tensor(f, "weight").encoding.axis = 0; }, "need axis 3"},  // dims[0] is 3 as well
    {"TwoEntriesPerTensor", [](DlcFile& f) { auto& e = tensor(f, "sum").encoding.entries; e.push_back(e[0]); }, "2 entries"},
    {"BlockEncoding", [](DlcFile& f) { tensor(f, "weight").encoding.type = DlcEncodingType::kBlock; }, "type 4"},
    {"BitwidthAboveStorage", [](DlcFile& f) {
       tensor(f, "sum").encoding.type = DlcEncodingType::kBitwidthScaleOffset;
       tensor(f, "sum").encoding.entries[0].bitwidth = 9; }, "bitwidth 9"},
    {"PackedFourBit", [](DlcFile& f) {
       DlcTensor& weight = tensor(f, "weight");
       weight.encoding.type = DlcEncodingType::kBitwidthAxisScaleOffset;
       for (auto& entry : weight.encoding.entries) entry.bitwidth = 4;
       weight.data.assign(weight.data.size(), std::byte{0x21}); }, "one code a byte"},
};
INSTANTIATE_TEST_SUITE_P(Encodings, Refused, ::testing::ValuesIn(kEncodingCases), case_name);

const Case kTopologyCases[] = {
    {"NoGraph", [](DlcFile& f) { f.graphs.clear(); }, "needs a graph"},
    {"TwoGraphsOneName", [](DlcFile& f) { f.graphs.push_back(f.graphs[0]); }, "two graphs"},
    {"OpsOutOfOrder", [](DlcFile& f) { std::swap(f.graphs[0].ops[0], f.graphs[0].ops[1]); }, "op: relu"},
    {"TensorNotListed", [](DlcFile& f) { std::erase_if(f.graphs[0].tensors, [](auto& t) { return t.name == "bias"; }); }, "tensor: bias"},
    {"TensorListedTwice", [](DlcFile& f) { f.graphs[0].tensors.push_back(f.graphs[0].tensors[1]); }, "listed twice"},
    {"RepeatedOpName", [](DlcFile& f) { op(f, "relu").name = "conv"; }, "two ops have this name"},
    {"EmptyOpName", [](DlcFile& f) { op(f, "relu").name.clear(); }, "has no name"},
    {"EmptyOpType", [](DlcFile& f) { op(f, "relu").type.clear(); }, "no type"},
    {"EmptyInputName", [](DlcFile& f) { op(f, "conv").inputs.push_back(""); }, "empty name"},
    {"NoOutput", [](DlcFile& f) { op(f, "relu").outputs.clear(); }, "no output"},
    {"WeightMarkedAsIntermediate", [](DlcFile& f) {
       tensor(f, "weight").location = DlcLocation::kNative;
       tensor(f, "weight").data.clear(); }, "tensor: weight"},
    {"IntermediateMarkedAsInput", [](DlcFile& f) { tensor(f, "sum").location = DlcLocation::kGraphInput; }, "tensor: sum"},
    {"WrittenTwice", [](DlcFile& f) { op(f, "relu").outputs = {"sum"}; }, "writes the tensor too"},
    {"OutputNotWritten", [](DlcFile& f) { f.graphs[0].ops.pop_back(); }, "no op writes the graph output"},
};
INSTANTIATE_TEST_SUITE_P(Topology, Refused, ::testing::ValuesIn(kTopologyCases), case_name);

const Case kAttributeCases[] = {
    {"StrideMissing", [](DlcFile& f) { drop_attribute(f, "conv", "stride"); }, "needs the parameter 'stride'"},
    {"StrideSupplemental", [](DlcFile& f) { attribute(f, "conv", "stride").usage = DlcUsage::kSupplemental; }, "'stride'"},
    {"UsageZero", [](DlcFile& f) { attribute(f, "conv", "group").usage = static_cast<DlcUsage>(0); }, "usage 0"},
    {"PackageName", [](DlcFile& f) { attribute(f, "conv", "packageName") = string_attribute("packageName", "mine"); }, "qti.aisw"},
    {"PackageNameAsParameter", [](DlcFile& f) { attribute(f, "conv", "packageName").usage = DlcUsage::kParameter; }, "supplemental"},
    {"ScalarOf64Bits", [](DlcFile& f) { std::get<DlcScalar>(attribute(f, "conv", "group").value).kind = DlcDtype::kInt64; }, "int64"},
    {"AttributeTwice", [](DlcFile& f) { op(f, "conv").attributes.push_back(u32_attribute("group", 1)); }, "appears twice"},
    {"OperationMissing", [](DlcFile& f) { drop_attribute(f, "relu", "operation"); }, "'operation'"},
    {"QnnSpelling", [](DlcFile& f) { append_op(f, "ElementWiseUnary", {u32_attribute("operation", 0)}); }, "Eltwise_Unary"},
    {"ResizeWithoutHalfPixel", [](DlcFile& f) { append_op(f, "ResizeBilinear", {bool_attribute("align_corners", false)}); }, "half_pixel_centers"},
    {"ResizeWithoutAlignCorners", [](DlcFile& f) { append_op(f, "ResizeNearestNeighbor", {bool_attribute("half_pixel_centers", false)}); }, "align_corners"},
};
INSTANTIATE_TEST_SUITE_P(Attributes, Refused, ::testing::ValuesIn(kAttributeCases), case_name);

void double_last_scale(DlcFile& file) { tensor(file, "next").encoding.entries[0].scale *= 2; }

const Case kRuleCases[] = {
    {"PerTensorWeightPerChannelBias", [](DlcFile& f) { tensor(f, "weight").encoding = per_tensor(0.01f, 0, 8); }, "one kind"},
    {"PerChannelWeightPerTensorBias", [](DlcFile& f) { tensor(f, "bias").encoding = per_tensor(0.01f, 0, 32); }, "one kind"},
    {"FloatBias", [](DlcFile& f) { tensor(f, "bias").dtype = DlcDtype::kFloat32; tensor(f, "bias").encoding = {}; }, "bias of float32"},
    {"ByteBiasOfPerChannelWeight", [](DlcFile& f) {
       tensor(f, "bias").dtype = DlcDtype::kUFixed8;
       tensor(f, "bias").data.resize(3); }, "need an sfixed32 bias"},
    {"FloatInput", [](DlcFile& f) { tensor(f, "image").dtype = DlcDtype::kFloat32; tensor(f, "image").encoding = {}; }, "Quantize"},
    {"WidthChange", [](DlcFile& f) { tensor(f, "sum").dtype = tensor(f, "out").dtype = DlcDtype::kUFixed16; }, "Convert"},
    {"ReluInnerEncoding", [](DlcFile& f) { tensor(f, "sum").encoding.entries[0].scale *= 2; }, "fused into 'conv'"},
    {"ClipBelowEncoding", [](DlcFile& f) { retype_relu_as_clip(f, 6); }, "up to 6"},  // the encoding ends at 7.97
    {"ReshapeRescales", [](DlcFile& f) { append_op(f, "Reshape", {}); double_last_scale(f); }, "op: last"},
    {"TransposeRescales", [](DlcFile& f) {
       append_op(f, "Transpose", {u32_tensor_attribute("last", "perm", {4}, std::array<uint32_t, 4>{0, 1, 2, 3})});
       double_last_scale(f); }, "copies codes"},
    {"GatherRescales", [](DlcFile& f) { append_op(f, "Gather", {i32_attribute("axis", 0)}); double_last_scale(f); }, "copies codes"},
    {"DepthToSpaceShifts", [](DlcFile& f) {
       append_op(f, "DepthToSpace", {u32_tensor_attribute("last", "block_size", {2}, std::array<uint32_t, 2>{1, 1})});
       tensor(f, "next").encoding.entries[0].offset = -1; }, "copies codes"},
    {"ReflectPadRescales", [](DlcFile& f) {
       append_op(f, "Pad", {u32_attribute("scheme", 2), u32_tensor_attribute("last", "pad_amount", {4, 2}, std::array<uint32_t, 8>{})});
       double_last_scale(f); }, "copies codes"},
    {"MixedOperandWidths", [](DlcFile& f) {
       append_op(f, "Eltwise_Binary", {u32_attribute("operation", 0)}).inputs.push_back("out");
       tensor(f, "next").dtype = DlcDtype::kUFixed16; }, "Convert"},
    {"MatMulBias", [](DlcFile& f) { append_op(f, "MatMul", {}).inputs = {"out", "out", "out"}; }, "third input"},
};
INSTANTIATE_TEST_SUITE_P(Rules, Refused, ::testing::ValuesIn(kRuleCases), case_name);

TEST(VerifyDlc, AcceptsWhatTheRuntimeRunsRight) {
  const Case accepted[] = {
      {"constant pad requantizes", [](DlcFile& f) {
         append_op(f, "Pad", {u32_attribute("scheme", 0), u32_tensor_attribute("last", "pad_amount", {4, 2}, std::array<uint32_t, 8>{})});
         double_last_scale(f); }, ""},
      {"pooling requantizes", [](DlcFile& f) {
         const std::array<uint32_t, 2> ones = {1, 1};
         const std::array<uint32_t, 4> pads{};
         append_op(f, "PoolMax2d", {u32_tensor_attribute("last", "filter_size", {2}, ones), u32_tensor_attribute("last", "stride", {2}, ones),
                                    u32_tensor_attribute("last", "pad_amount", {2, 2}, pads)});
         double_last_scale(f); }, ""},
      {"reshape keeps the codes", [](DlcFile& f) { append_op(f, "Reshape", {}); }, ""},
      {"sigmoid counts the inner encoding", [](DlcFile& f) {
         attribute(f, "relu", "operation") = u32_attribute("operation", 6);
         tensor(f, "sum").encoding.entries[0].scale *= 2; }, ""},
      {"clip at the end of the encoding", [](DlcFile& f) { retype_relu_as_clip(f, 7.96875f); }, ""},
      {"no bias", [](DlcFile& f) { op(f, "conv").inputs.pop_back(); }, ""},
      {"per-tensor weight and bias", make_per_tensor_weight, ""},
      {"byte bias of a per-tensor weight", [](DlcFile& f) {
         make_per_tensor_weight(f);
         tensor(f, "bias") = static_tensor<uint8_t>("bias", DlcDtype::kUFixed8, {3}, {1, 2, 3}, per_tensor(0.01f, -100, 8)); }, ""},
      {"sign-extended 4-bit codes", [](DlcFile& f) {
         DlcTensor& weight = tensor(f, "weight");
         weight.encoding.type = DlcEncodingType::kBitwidthAxisScaleOffset;
         for (auto& entry : weight.encoding.entries) entry.bitwidth = 4;
         for (size_t i = 0; i < weight.data.size(); ++i) weight.data[i] = static_cast<std::byte>(static_cast<int>(i % 16) - 8); }, ""},
      {"unused tensor, empty graph name", [](DlcFile& f) {
         f.graphs[0].name.clear();
         f.graphs[0].tensors.push_back(activation("spare", DlcLocation::kNative, {1}, per_tensor(1, 0, 8))); }, ""},
  };
  for (const Case& one : accepted) {
    DlcFile file = sample_dlc();
    one.change(file);
    EXPECT_NO_THROW(verify_dlc(file)) << one.name;
  }
}

}  // namespace
}  // namespace qtool::container
