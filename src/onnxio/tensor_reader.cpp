#include "tensor_reader.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>

#include "element_types.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::onnxio {
namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "raw_data is little endian and copied as it is");

namespace {

// A sparse tensor names a dense size without holding it; beyond this the file is taken for damaged.
constexpr int64_t kLargestDensifiedElements = int64_t{1} << 24;

bool is_packed(DType dtype) { return dtype == DType::kInt4 || dtype == DType::kUInt4; }

int64_t stored_size_bytes(DType dtype, int64_t count) {
  if (is_packed(dtype)) return count / 2 + count % 2;
  int64_t size = 0;
  if (__builtin_mul_overflow(count, static_cast<int64_t>(dtype_size_bytes(dtype)), &size)) {
    throw Error(ErrorCode::kInvalidModel, format("a tensor of {} elements has no valid size", count));
  }
  return size;
}

Error count_mismatch(const Shape& shape, int64_t expected, int64_t found, std::string_view field) {
  return {ErrorCode::kInvalidModel, format("shape {} needs {} entries of {}, found {}", shape.text(), expected, field, found)};
}

int8_t widen_int4(int nibble) { return static_cast<int8_t>(nibble >= 8 ? nibble - 16 : nibble); }

// Two elements a byte, the first one in the low half.
void unpack_nibbles(std::string_view packed, Tensor& tensor) {
  auto* target = static_cast<uint8_t*>(tensor.mutable_raw());
  for (int64_t i = 0; i < tensor.element_count(); ++i) {
    const auto byte = static_cast<uint8_t>(packed[static_cast<size_t>(i / 2)]);
    const int nibble = i % 2 == 0 ? byte & 0xF : byte >> 4;
    target[i] = tensor.dtype() == DType::kInt4 ? static_cast<uint8_t>(widen_int4(nibble)) : static_cast<uint8_t>(nibble);
  }
}

void copy_raw(std::string_view raw, Tensor& tensor) {
  if (is_packed(tensor.dtype())) return unpack_nibbles(raw, tensor);
  if (!raw.empty()) std::memcpy(tensor.mutable_raw(), raw.data(), raw.size());
  if (tensor.dtype() == DType::kBool) {
    // Any byte but 0 and 1 would be undefined behaviour in a bool.
    auto* bytes = static_cast<uint8_t*>(tensor.mutable_raw());
    for (int64_t i = 0; i < tensor.element_count(); ++i) bytes[i] = bytes[i] != 0 ? 1 : 0;
  }
}

template <class T, class Field>
Tensor read_field(DType dtype, const Shape& shape, const Field& field, std::string_view field_name) {
  const int64_t count = shape.element_count();
  if (field.size() != count) throw count_mismatch(shape, count, field.size(), field_name);
  Tensor tensor(dtype, shape);
  auto* target = static_cast<T*>(tensor.mutable_raw());
  for (int64_t i = 0; i < count; ++i) {
    const auto value = field.Get(static_cast<int>(i));
    if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
      target[i].bits = static_cast<uint16_t>(value);  // the field holds bit patterns
    } else if constexpr (std::is_same_v<T, bool>) {
      target[i] = value != 0;
    } else {
      target[i] = static_cast<T>(value);
    }
  }
  return tensor;
}

Tensor read_packed_field(DType dtype, const Shape& shape, const onnx::TensorProto& proto) {
  const int64_t expected = stored_size_bytes(dtype, shape.element_count());
  if (proto.int32_data_size() != expected) {
    throw count_mismatch(shape, expected, proto.int32_data_size(), "int32_data (two elements each)");
  }
  std::string packed;
  for (const int32_t value : proto.int32_data()) packed.push_back(static_cast<char>(value));
  Tensor tensor(dtype, shape);
  unpack_nibbles(packed, tensor);
  return tensor;
}

Tensor read_fields(DType dtype, const Shape& shape, const onnx::TensorProto& proto) {
  switch (dtype) {
    case DType::kFloat32: return read_field<float>(dtype, shape, proto.float_data(), "float_data");
    case DType::kFloat64: return read_field<double>(dtype, shape, proto.double_data(), "double_data");
    case DType::kInt64: return read_field<int64_t>(dtype, shape, proto.int64_data(), "int64_data");
    case DType::kUInt64: return read_field<uint64_t>(dtype, shape, proto.uint64_data(), "uint64_data");
    case DType::kUInt32: return read_field<uint32_t>(dtype, shape, proto.uint64_data(), "uint64_data");
    case DType::kInt4: case DType::kUInt4: return read_packed_field(dtype, shape, proto);
    case DType::kString: break;
    default:
      return dispatch_dtype(dtype, [&]<class T>() { return read_field<T>(dtype, shape, proto.int32_data(), "int32_data"); });
  }
  throw_unsupported_dtype(dtype, "the importer");
}

struct ExternalData {
  std::string location;
  int64_t offset = 0;
  std::optional<int64_t> length;
};

int64_t parse_count(const std::string& key, const std::string& text) {
  int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size() || value < 0) {
    throw Error(ErrorCode::kInvalidModel, format("external data: {} is '{}', expected a number of bytes", key, text));
  }
  return value;
}

ExternalData parse_external(const onnx::TensorProto& proto) {
  ExternalData result;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") result.location = entry.value();
    if (entry.key() == "offset") result.offset = parse_count(entry.key(), entry.value());
    if (entry.key() == "length") result.length = parse_count(entry.key(), entry.value());
  }
  if (result.location.empty()) throw Error(ErrorCode::kInvalidModel, "external data: no file is given");
  return result;
}

// A model from elsewhere must not read files outside its own folder, neither by path nor through a link.
fs::path confine(const fs::path& folder, const std::string& location) {
  const fs::path relative(location);
  const bool climbs = std::any_of(relative.begin(), relative.end(), [](const fs::path& part) { return part == ".."; });
  if (location.find('\0') != std::string::npos || relative.is_absolute() || climbs) {
    throw Error(ErrorCode::kInvalidModel, format("external data '{}' leaves the folder of the model", location));
  }
  std::error_code ec;
  const fs::path root = fs::canonical(folder.empty() ? "." : folder, ec);
  if (ec) throw Error(ErrorCode::kIo, format("cannot resolve the folder of the model: {}", ec.message()));
  const fs::path target = fs::canonical(root / relative, ec);
  if (ec) {
    throw Error(ErrorCode::kIo, format("external data '{}': {}; it belongs beside the model", location, ec.message()));
  }
  const auto [root_end, unused] = std::mismatch(root.begin(), root.end(), target.begin(), target.end());
  if (root_end != root.end()) {
    throw Error(ErrorCode::kInvalidModel,
                format("external data '{}' is a link to a file outside the folder of the model", location));
  }
  if (!fs::is_regular_file(target, ec)) {
    throw Error(ErrorCode::kIo, format("external data '{}' is not a regular file", location));
  }
  return target;
}

std::vector<int64_t> dims_of(const google::protobuf::RepeatedField<int64_t>& dims) { return {dims.begin(), dims.end()}; }

}  // namespace

void TensorReader::read_external(const onnx::TensorProto& proto, std::string& content, int64_t size_bytes) const {
  const ExternalData external = parse_external(proto);
  const fs::path path = confine(folder_, external.location);
  try {
    if (external.length && *external.length != size_bytes) {
      throw Error(ErrorCode::kInvalidModel,
                  format("external data: {} bytes are given, the tensor needs {}", *external.length, size_bytes));
    }
    std::error_code ec;
    const auto file_size = static_cast<int64_t>(fs::file_size(path, ec));
    if (ec) throw Error(ErrorCode::kIo, format("external data: {}", ec.message()));
    if (external.offset > file_size || size_bytes > file_size - external.offset) {
      throw Error(ErrorCode::kInvalidModel, format("external data: {} bytes at offset {} are outside a file of {} bytes",
                                                   size_bytes, external.offset, file_size));
    }
    content.resize(static_cast<size_t>(size_bytes));
    std::ifstream stream(path, std::ios::binary);
    stream.seekg(external.offset);
    stream.read(content.data(), size_bytes);
    if (!stream) throw Error(ErrorCode::kIo, "external data: cannot read the file");
  } catch (Error& error) {
    error.with("external file", path.string());
    throw;
  }
}

Tensor TensorReader::read_unchecked(const onnx::TensorProto& proto) const {
  const auto known = dtype_of_onnx(proto.data_type());
  if (proto.data_type() == onnx::TensorProto::UNDEFINED) {
    throw Error(ErrorCode::kInvalidModel, "the tensor has no element type");
  }
  if (!known || *known == DType::kString) {
    throw Error(ErrorCode::kUnsupported, format("{} tensors are not supported", onnx_type_name(proto.data_type())));
  }
  if (proto.has_segment()) throw Error(ErrorCode::kUnsupported, "segmented tensors are not supported");
  const DType dtype = *known;
  const Shape shape(dims_of(proto.dims()));
  const int64_t size_bytes = stored_size_bytes(dtype, shape.element_count());

  const bool external = proto.data_location() == onnx::TensorProto::EXTERNAL;
  if (!external && !proto.has_raw_data()) return read_fields(dtype, shape, proto);
  std::string from_file;
  if (external) read_external(proto, from_file, size_bytes);
  const std::string& raw = external ? from_file : proto.raw_data();
  if (static_cast<int64_t>(raw.size()) != size_bytes) {
    throw Error(ErrorCode::kInvalidModel, format("{} tensor of shape {} needs {} bytes of data, found {}", dtype_name(dtype),
                                                 shape.text(), size_bytes, raw.size()));
  }
  Tensor tensor(dtype, shape);
  copy_raw(raw, tensor);
  return tensor;
}

Tensor TensorReader::read(const onnx::TensorProto& proto) const {
  try {
    return read_unchecked(proto);
  } catch (Error& error) {
    error.with("tensor", proto.name());
    throw;
  }
}

Tensor TensorReader::read_sparse(const onnx::SparseTensorProto& proto) const {
  try {
    const Tensor values = read(proto.values());
    const std::vector<int64_t> indices = read(proto.indices()).to_int64();
    const Shape shape(dims_of(proto.dims()));
    const int64_t count = shape.element_count();
    if (count > kLargestDensifiedElements) {
      throw Error(ErrorCode::kUnsupported, format("a sparse tensor of shape {} is too large to store dense", shape.text()));
    }
    const auto entries = values.element_count();
    const auto rank = static_cast<int64_t>(shape.rank());
    const bool linear = static_cast<int64_t>(indices.size()) == entries && proto.indices().dims_size() == 1;
    if (!linear && static_cast<int64_t>(indices.size()) != entries * rank) {
      throw Error(ErrorCode::kInvalidModel, format("a sparse tensor has {} values but {} indices", entries, indices.size()));
    }
    Tensor dense(values.dtype(), shape);
    const size_t width = dtype_size_bytes(values.dtype());
    const std::vector<int64_t> strides = shape.strides();
    for (int64_t i = 0; i < entries; ++i) {
      int64_t at = linear ? indices[static_cast<size_t>(i)] : 0;
      for (int64_t axis = 0; !linear && axis < rank; ++axis) {
        const int64_t index = indices[static_cast<size_t>(i * rank + axis)];
        if (index < 0 || index >= shape[static_cast<size_t>(axis)]) at = count;
        if (at < count) at += index * strides[static_cast<size_t>(axis)];
      }
      if (at < 0 || at >= count) {
        throw Error(ErrorCode::kInvalidModel, format("an index of a sparse tensor is outside shape {}", shape.text()));
      }
      std::memcpy(static_cast<std::byte*>(dense.mutable_raw()) + static_cast<size_t>(at) * width,
                  values.bytes().data() + static_cast<size_t>(i) * width, width);
    }
    return dense;
  } catch (Error& error) {
    error.with("tensor", proto.values().name());
    throw;
  }
}

}  // namespace qtool::onnxio
