// Field numbers of the FlatBuffers in a DLC (DLC container notes, sections 3, 5, 6 and 9).
#pragma once

#include <cstddef>
#include <cstdint>

namespace qtool::container {

constexpr size_t kPrefixSize = 8;
constexpr uint8_t kPrefixMagic0 = 0xd5;
constexpr uint8_t kPrefixMagic1 = 0x0a;

constexpr const char* kMetadataRecord = "dlc.metadata";
constexpr const char* kModelRecord = "model";
constexpr const char* kParamsRecord = "model.params";
constexpr const char* kPayloadRecord = "model.params.bin";  // 4.1

constexpr const char* kModelIdentifier = "NETD";
constexpr const char* kInlineIdentifier = "NETP";
constexpr const char* kWideIdentifier = "NR64";

namespace slot {
struct Model { enum : uint16_t { kGraphs }; };
struct Graph { enum : uint16_t { kName, kOps, kTensors, kParamsName = 4 }; };
struct Op { enum : uint16_t { kName, kType, kInputs, kOutputs, kAttributes }; };
struct Attribute { enum : uint16_t { kName, kKind, kUsage, kScalar, kTensor }; };
struct Scalar { enum : uint16_t { kKind, kInteger, kReal, kText }; };
struct Tensor {
  enum : uint16_t { kId, kName, kLocation, kDims, kAxisFormat, kEncoding, kDtype, kSourceDtype, kGraphFlag };
};
struct Encoding { enum : uint16_t { kType, kOverridden, kFixed, kAxis }; };
struct Fixed { enum : uint16_t { kBitwidth, kMin, kMax, kScale, kOffset, kSymmetric }; };
struct Axis { enum : uint16_t { kAxis, kEntries }; };

struct Params { enum : uint16_t { kGraphs }; };
struct GraphParams { enum : uint16_t { kName, kTensors, kNodes }; };
struct NodeParams { enum : uint16_t { kTensors }; };
struct TensorData { enum : uint16_t { kName, kBytes, kBuffer, kPosition }; };
struct Position { enum : uint16_t { kOffset, kSize }; };
struct Wide { enum : uint16_t { kBuffers, kParams }; };
struct WideBuffer { enum : uint16_t { kBytes }; };
}  // namespace slot

// Attribute.kind
constexpr int32_t kScalarAttribute = 0;
constexpr int32_t kTensorAttribute = 1;

}  // namespace qtool::container
