// The records of a DLC as plain data: what the reader returns and the writer takes.
//
// Nothing here is checked on construction; verify_dlc() says what a runtime would refuse or misread.
// Numbering and meaning follow the DLC container notes, sections 5 and 6.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "qtool/container/dlc_dtype.h"
#include "qtool/support/files.h"

namespace qtool::container {

enum class DlcLocation : int32_t {
  kGraphInput = 0,   // written by the application
  kGraphOutput = 1,  // read by the application
  kNative = 3,       // between two ops
  kStatic = 4,       // bytes in the parameter record
};

enum class DlcEncodingType : uint32_t {
  kScaleOffset = 0,
  kAxisScaleOffset = 1,
  kBitwidthScaleOffset = 2,      // as 0, codes use `bitwidth` bits of the storage type
  kBitwidthAxisScaleOffset = 3,  // as 1, likewise
  kBlock = 4,                    // 4, 5 and 6: recognised by the reader, content not represented
  kLowPowerBlock = 5,
  kVector = 6,
  kNone = 0x7fffffff,
};

// real = scale * (code + offset), so offset is the negated zero point.
struct DlcEncodingEntry {
  uint32_t bitwidth = 0;
  float min = 0;  // real units; informative, runtimes use scale and offset
  float max = 0;
  float scale = 0;  // real units per step
  int32_t offset = 0;
  bool is_symmetric = false;
  bool operator==(const DlcEncodingEntry&) const = default;
};

struct DlcEncoding {
  DlcEncodingType type = DlcEncodingType::kNone;
  bool is_overridden = false;
  int32_t axis = 0;                       // per-axis types only: index into the stored dims
  std::vector<DlcEncodingEntry> entries;  // per tensor: one; per axis: one a channel; none: empty
  bool operator==(const DlcEncoding&) const = default;

  [[nodiscard]] bool is_per_tensor() const {
    return type == DlcEncodingType::kScaleOffset || type == DlcEncodingType::kBitwidthScaleOffset;
  }
  [[nodiscard]] bool is_per_axis() const {
    return type == DlcEncodingType::kAxisScaleOffset || type == DlcEncodingType::kBitwidthAxisScaleOffset;
  }
};

struct DlcTensor {
  std::string name;
  uint32_t id = 0;  // runtimes ignore it; when all ids of a file are 0 the writer counts them from 1
  DlcLocation location = DlcLocation::kNative;
  std::vector<uint32_t> dims;  // activations NHWC, convolution weights HWIO
  int32_t axis_format = 0;     // 0 = not stated; informative
  DlcDtype dtype = DlcDtype::kFloat32;
  DlcDtype source_dtype = DlcDtype::kUndefined;  // before quantization; kUndefined: written as `dtype`
  DlcEncoding encoding;
  Bytes data;  // static tensors only: little endian, row major in `dims`
  bool operator==(const DlcTensor&) const = default;
};

// `kind` decides which member counts: kString and kUndefined `text`, floats `real`, all others `integer`.
struct DlcScalar {
  DlcDtype kind = DlcDtype::kUInt32;
  int64_t integer = 0;
  double real = 0;
  std::string text;
  bool operator==(const DlcScalar&) const = default;
};

enum class DlcUsage : uint8_t {
  kParameter = 1,     // handed to the op
  kSupplemental = 2,  // kept in the file only
};

struct DlcAttribute {
  std::string name;
  DlcUsage usage = DlcUsage::kParameter;
  std::variant<DlcScalar, DlcTensor> value;
  bool operator==(const DlcAttribute&) const = default;
};

struct DlcOp {
  std::string name;
  std::string type;
  std::vector<std::string> inputs;  // tensor names
  std::vector<std::string> outputs;
  std::vector<DlcAttribute> attributes;
  bool operator==(const DlcOp&) const = default;

  // nullptr when the op has no attribute of that name.
  [[nodiscard]] const DlcAttribute* find_attribute(std::string_view attribute_name) const;
};

struct DlcGraph {
  std::string name;
  std::vector<DlcOp> ops;          // in execution order
  std::vector<DlcTensor> tensors;  // list order is the run-time order of graph inputs and outputs
  bool operator==(const DlcGraph&) const = default;

  [[nodiscard]] const DlcTensor* find_tensor(std::string_view tensor_name) const;
};

struct DlcRecord {
  std::string name;  // entry of the archive
  uint64_t size_bytes = 0;
  bool operator==(const DlcRecord&) const = default;
};

struct DlcFile {
  int major = 4;
  int minor = 0;
  std::vector<std::pair<std::string, std::string>> metadata;  // lines of dlc.metadata, in order
  std::vector<DlcGraph> graphs;
  // Filled by the reader, ignored by the writer:
  std::vector<DlcRecord> records;  // in archive order
  std::string parameter_format;    // "NETP", "NR64", "external" (4.1)
  std::vector<std::string> notes;  // oddities that were tolerated, one sentence each
};

// dims multiplied out; 1 for a scalar. Throws Error(kInvalidModel) when the product does not fit 63 bits.
[[nodiscard]] uint64_t dlc_element_count(const std::vector<uint32_t>& dims);

}  // namespace qtool::container
