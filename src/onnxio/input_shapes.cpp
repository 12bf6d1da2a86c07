#include "input_shapes.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "element_types.h"
#include "qtool/support/error.h"
#include "qtool/support/format.h"
#include "qtool/support/nearest_name.h"

namespace qtool::onnxio {

namespace {

constexpr int64_t kDynamic = -1;

struct DeclaredDim {
  int64_t size = kDynamic;
  std::string symbol;  // may be empty
};

struct DeclaredInput {
  std::string name;
  DType dtype = DType::kFloat32;
  bool has_rank = false;
  std::vector<DeclaredDim> dims;

  [[nodiscard]] std::string shape_text() const {
    if (!has_rank) return "of unknown rank";
    std::vector<std::string> parts;
    for (const DeclaredDim& dim : dims) {
      parts.push_back(dim.size != kDynamic ? format("{}", dim.size) : dim.symbol.empty() ? "?" : dim.symbol);
    }
    return format("[{}]", join(parts, ", "));
  }
};

[[noreturn]] void fail_input(ErrorCode code, const DeclaredInput& input, const std::string& message) {
  throw Error(code, message).with("input", input.name);
}

DeclaredInput read_declaration(const onnx::ValueInfoProto& info) {
  DeclaredInput input;
  input.name = info.name();
  if (!info.type().has_tensor_type()) {
    fail_input(ErrorCode::kUnsupported, input, "an input that is not a plain tensor (sequence, optional, map, sparse) is not supported");
  }
  const auto& type = info.type().tensor_type();
  const auto dtype = dtype_of_onnx(type.elem_type());
  if (!dtype || *dtype == DType::kString) {
    fail_input(ErrorCode::kUnsupported, input, format("inputs of {} are not supported", onnx_type_name(type.elem_type())));
  }
  input.dtype = *dtype;
  input.has_rank = type.has_shape();
  for (const auto& dim : type.shape().dim()) {
    DeclaredDim declared;
    if (dim.has_dim_value() && dim.dim_value() >= 0) declared.size = dim.dim_value();
    if (dim.has_dim_param()) declared.symbol = dim.dim_param();
    input.dims.push_back(std::move(declared));
  }
  return input;
}

// What the user gives, by input name.
std::map<std::string, std::vector<int64_t>> resolve_names(const std::vector<DeclaredInput>& inputs,
                                                          const ImportOptions& options) {
  std::vector<std::string> known;
  for (const DeclaredInput& input : inputs) known.push_back(input.name);
  std::map<std::string, std::vector<int64_t>> given;
  for (const auto& [name, dims] : options.input_shapes) {
    if (name.empty() && inputs.size() != 1) {
      throw Error(ErrorCode::kUsage, format("the model has {} inputs; say which one the input shape is for: {}",
                                            inputs.size(), join(known, ", ")));
    }
    const std::string& full_name = name.empty() ? known[0] : name;
    if (std::find(known.begin(), known.end(), full_name) == known.end()) {
      throw Error(ErrorCode::kUsage, format("the model has no input '{}'{}; its inputs: {}", full_name,
                                            did_you_mean(full_name, known), join(known, ", ")));
    }
    if (!given.emplace(full_name, dims).second) {
      throw Error(ErrorCode::kUsage, format("the shape of input '{}' is given twice", full_name));
    }
  }
  return given;
}

void apply_given_shape(DeclaredInput& input, const std::vector<int64_t>& dims, std::map<std::string, int64_t>& symbols) {
  const std::string given_text = Shape(dims).text();
  if (!input.has_rank) {
    input.dims.resize(dims.size());
    input.has_rank = true;
  }
  if (dims.size() != input.dims.size()) {
    fail_input(ErrorCode::kUsage, input, format("the given shape {} has {} dimensions, the model declares {} ({})", given_text,
                                                dims.size(), input.dims.size(), input.shape_text()));
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    DeclaredDim& declared = input.dims[i];
    if (dims[i] < 0) fail_input(ErrorCode::kUsage, input, format("the given shape {} has a negative dimension", given_text));
    // Some exporters write 0 for a dimension they do not know.
    if (declared.size > 0 && declared.size != dims[i]) {
      fail_input(ErrorCode::kUsage, input, format("the given shape {} contradicts the declared shape {}: dimension {} is fixed",
                                                  given_text, input.shape_text(), i));
    }
    if (!declared.symbol.empty()) {
      const auto [at, inserted] = symbols.emplace(declared.symbol, dims[i]);
      if (!inserted && at->second != dims[i]) {
        fail_input(ErrorCode::kUsage, input, format("dimension '{}' is given as {} and as {}", declared.symbol, at->second, dims[i]));
      }
    }
  }
  for (size_t i = 0; i < dims.size(); ++i) input.dims[i].size = dims[i];
}

[[noreturn]] void fail_dynamic(const DeclaredInput& input) {
  std::vector<std::string> example;
  for (size_t i = 0; i < input.dims.size(); ++i) {
    const DeclaredDim& dim = input.dims[i];
    example.push_back(dim.size != kDynamic ? format("{}", dim.size) : i == 0 ? "1" : dim.symbol.empty() ? "N" : "<" + dim.symbol + ">");
  }
  const std::string advice = input.has_rank ? format("{}", join(example, ",")) : "1,3,224,224";
  fail_input(ErrorCode::kUsage, input, format("input '{}' has the dynamic shape {}; pass a fixed one, like --input-shape {}:{}",
                                              input.name, input.shape_text(), input.name, advice));
}

}  // namespace

std::vector<TensorType> settle_input_types(const std::vector<const onnx::ValueInfoProto*>& inputs,
                                           const ImportOptions& options, Reporter& reporter) {
  std::vector<DeclaredInput> declared;
  for (const auto* info : inputs) declared.push_back(read_declaration(*info));

  std::map<std::string, int64_t> symbols;
  for (const auto& [name, dims] : resolve_names(declared, options)) {
    const auto at = std::find_if(declared.begin(), declared.end(), [&](const auto& input) { return input.name == name; });
    apply_given_shape(*at, dims, symbols);
  }

  std::vector<std::string> batched;
  std::vector<TensorType> types;
  for (DeclaredInput& input : declared) {
    const std::string declared_text = input.shape_text();
    for (size_t i = 0; i < input.dims.size(); ++i) {
      DeclaredDim& dim = input.dims[i];
      if (dim.size != kDynamic) continue;
      if (const auto at = symbols.find(dim.symbol); !dim.symbol.empty() && at != symbols.end()) {
        dim.size = at->second;
      } else if (i == 0) {
        dim.size = options.batch;
        batched.push_back(format("'{}' {}", input.name, declared_text));
        if (!dim.symbol.empty()) symbols.emplace(dim.symbol, dim.size);
      }
    }
    std::vector<int64_t> dims;
    for (const DeclaredDim& dim : input.dims) dims.push_back(dim.size);
    if (!input.has_rank || std::find(dims.begin(), dims.end(), kDynamic) != dims.end()) fail_dynamic(input);
    types.push_back({input.dtype, Shape(std::move(dims))});
    try {
      (void)types.back().shape.element_count();
    } catch (Error& error) {
      error.with("input", input.name);
      throw;
    }
  }
  if (!batched.empty()) {
    reporter.info(format("the dynamic first dimension of {} is set to {}", join(batched, ", "), options.batch));
  }
  return types;
}

std::optional<TensorType> fixed_type(const onnx::ValueInfoProto& info) {
  if (!info.type().has_tensor_type() || !info.type().tensor_type().has_shape()) return std::nullopt;
  const auto dtype = dtype_of_onnx(info.type().tensor_type().elem_type());
  if (!dtype) return std::nullopt;
  std::vector<int64_t> dims;
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    if (!dim.has_dim_value() || dim.dim_value() < 0) return std::nullopt;
    dims.push_back(dim.dim_value());
  }
  return TensorType{*dtype, Shape(std::move(dims))};
}

std::pair<std::string, std::vector<int64_t>> parse_input_shape(std::string_view text) {
  // Names may hold colons ("serving_default:0"): the last one separates.
  const size_t colon = text.rfind(':');
  const std::string name(colon == std::string_view::npos ? "" : text.substr(0, colon));
  std::string_view rest = colon == std::string_view::npos ? text : text.substr(colon + 1);
  const auto fail = [&] {
    throw Error(ErrorCode::kUsage, format("'{}' is not an input shape; expected NAME:1,3,640,640", text));
  };
  std::vector<int64_t> dims;
  while (!rest.empty()) {
    int64_t dim = 0;
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), dim);
    if (problem != std::errc{} || dim < 1) fail();
    dims.push_back(dim);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    if (rest.empty()) break;
    if (rest[0] != ',' && rest[0] != 'x') fail();
    rest.remove_prefix(1);
    if (rest.empty()) fail();
  }
  if (dims.empty()) fail();
  return {name, std::move(dims)};
}

}  // namespace qtool::onnxio
