#include "function_inliner.h"

#include <google/protobuf/unknown_field_set.h>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::onnxio {

namespace {

// Functions may not call themselves; a file that nests or multiplies beyond this is taken for hostile.
constexpr int kDeepestCall = 64;
constexpr size_t kMostNodes = 250'000;
// FunctionProto.attribute_proto (attributes with a default) is newer than the protobuf library in use.
constexpr int kAttributeProtoField = 11;

using Names = std::map<std::string, std::string>;

std::string renamed(const std::string& name, const Names& names) {
  const auto at = names.find(name);
  return at == names.end() ? name : at->second;
}

class BodyRewriter {
 public:
  BodyRewriter(const onnx::NodeProto& call, const std::map<std::string, onnx::AttributeProto>& defaults, std::string prefix)
      : defaults_(defaults), prefix_(std::move(prefix)) {
    for (const auto& attribute : call.attribute()) arguments_.emplace(attribute.name(), &attribute);
  }

  void bind(const std::string& inner, const std::string& outer) {
    if (!inner.empty()) names_[inner] = outer;
  }
  [[nodiscard]] bool is_bound(const std::string& inner) const { return names_.contains(inner); }

  void declare(const std::string& inner) {
    if (!inner.empty()) names_.emplace(inner, prefix_ + inner);
  }

  void rewrite(onnx::NodeProto& node) {
    node.set_name(prefix_ + (node.name().empty() ? node.op_type() : node.name()));
    for (auto& name : *node.mutable_input()) name = renamed(name, names_);
    for (auto& name : *node.mutable_output()) name = renamed(name, names_);
    google::protobuf::RepeatedPtrField<onnx::AttributeProto> kept;
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_ref_attr_name() && !attribute.ref_attr_name().empty()) {
        const onnx::AttributeProto* argument = find_argument(attribute.ref_attr_name());
        if (argument == nullptr) continue;  // not given: the operator's own default holds
        onnx::AttributeProto copy = *argument;
        copy.set_name(attribute.name());
        *kept.Add() = std::move(copy);
        continue;
      }
      if (attribute.has_g()) rewrite_graph(*attribute.mutable_g());
      *kept.Add() = std::move(attribute);
    }
    node.mutable_attribute()->Swap(&kept);
  }

 private:
  [[nodiscard]] const onnx::AttributeProto* find_argument(const std::string& name) const {
    if (const auto at = arguments_.find(name); at != arguments_.end()) return at->second;
    if (const auto at = defaults_.find(name); at != defaults_.end()) return &at->second;
    return nullptr;
  }

  void rewrite_graph(onnx::GraphProto& graph) {
    const Names outer_names = names_;
    const auto shadow = [&](const std::string& name) {
      if (!name.empty()) names_[name] = prefix_ + name;
    };
    for (const auto& input : graph.input()) shadow(input.name());
    for (const auto& tensor : graph.initializer()) shadow(tensor.name());
    for (const auto& node : graph.node()) {
      for (const auto& output : node.output()) shadow(output);
    }
    for (auto& input : *graph.mutable_input()) input.set_name(renamed(input.name(), names_));
    for (auto& tensor : *graph.mutable_initializer()) tensor.set_name(renamed(tensor.name(), names_));
    for (auto& node : *graph.mutable_node()) rewrite(node);
    for (auto& output : *graph.mutable_output()) output.set_name(renamed(output.name(), names_));
    names_ = outer_names;
  }

  const std::map<std::string, onnx::AttributeProto>& defaults_;
  std::map<std::string, const onnx::AttributeProto*> arguments_;
  std::string prefix_;
  Names names_;
};

std::map<std::string, onnx::AttributeProto> read_defaults(const onnx::FunctionProto& function) {
  std::map<std::string, onnx::AttributeProto> defaults;
  const auto& unknown = function.unknown_fields();
  for (int i = 0; i < unknown.field_count(); ++i) {
    const auto& field = unknown.field(i);
    if (field.number() != kAttributeProtoField || field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) {
      continue;
    }
    onnx::AttributeProto attribute;
    if (!attribute.ParseFromString(field.length_delimited())) {
      throw Error(ErrorCode::kInvalidModel, format("function '{}' has a damaged attribute default", function.name()));
    }
    defaults[attribute.name()] = std::move(attribute);
  }
  return defaults;
}

}  // namespace

std::string normal_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

Opsets read_opsets(const google::protobuf::RepeatedPtrField<onnx::OperatorSetIdProto>& imports) {
  Opsets opsets;
  for (const auto& import : imports) {
    const auto [at, inserted] = opsets.emplace(normal_domain(import.domain()), import.version());
    if (!inserted && at->second != import.version()) {
      throw Error(ErrorCode::kInvalidModel, format("operator set '{}' is imported in versions {} and {}",
                                                   at->first.empty() ? "ai.onnx" : at->first, at->second, import.version()));
    }
  }
  return opsets;
}

FunctionInliner::FunctionInliner(const onnx::ModelProto& model) {
  const Opsets model_opsets = read_opsets(model.opset_import());
  for (const auto& proto : model.functions()) {
    Function function{&proto, read_opsets(proto.opset_import()), read_defaults(proto)};
    function.opsets.insert(model_opsets.begin(), model_opsets.end());  // keeps what the function says itself
    if (!functions_.emplace(std::make_pair(normal_domain(proto.domain()), proto.name()), std::move(function)).second) {
      throw Error(ErrorCode::kInvalidModel, format("function '{}' is defined twice", proto.name()));
    }
  }
}

std::vector<PendingNode> FunctionInliner::expand(const google::protobuf::RepeatedPtrField<onnx::NodeProto>& nodes,
                                                 const Opsets& opsets) {
  std::vector<PendingNode> result;
  result.reserve(static_cast<size_t>(nodes.size()));
  for (const auto& node : nodes) append(node, opsets, 0, result);
  return result;
}

void FunctionInliner::append(const onnx::NodeProto& node, const Opsets& opsets, int depth,
                             std::vector<PendingNode>& result) {
  const auto at = functions_.find({normal_domain(node.domain()), node.op_type()});
  if (at != functions_.end()) return expand_call(node, at->second, depth, result);
  if (owned_.size() > kMostNodes) {
    throw Error(ErrorCode::kUnsupported, format("the local functions expand to more than {} nodes", kMostNodes));
  }
  result.push_back({&node, &opsets});
}

void FunctionInliner::expand_call(const onnx::NodeProto& call, const Function& function, int depth,
                                  std::vector<PendingNode>& result) {
  const onnx::FunctionProto& body = *function.proto;
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidModel, what).with("node", call.name()).with("op", call.op_type());
  };
  if (depth >= kDeepestCall) fail("calls of local functions are nested too deep, or a function calls itself");
  if (call.input_size() > body.input_size()) {
    fail(format("function '{}' has {} inputs, the call gives {}", body.name(), body.input_size(), call.input_size()));
  }
  if (call.output_size() > body.output_size()) {
    fail(format("function '{}' has {} outputs, the call takes {}", body.name(), body.output_size(), call.output_size()));
  }
  // The number keeps tensors of two calls apart when the calls have no names.
  const int number = expanded_calls_++;
  BodyRewriter rewriter(call, function.defaults,
                        format("{}_{}/", call.name().empty() ? call.op_type() : call.name(), number));
  for (int i = 0; i < body.input_size(); ++i) rewriter.bind(body.input(i), i < call.input_size() ? call.input(i) : "");

  std::vector<std::pair<std::string, std::string>> copies;  // outputs that are inputs of the function as well
  for (int i = 0; i < call.output_size(); ++i) {
    if (call.output(i).empty()) continue;
    if (rewriter.is_bound(body.output(i))) {
      copies.emplace_back(body.output(i), call.output(i));
    } else {
      rewriter.bind(body.output(i), call.output(i));
    }
  }
  for (const auto& node : body.node()) {
    for (const auto& output : node.output()) rewriter.declare(output);
  }
  const auto emit = [&](onnx::NodeProto node) {
    rewriter.rewrite(node);
    if (owned_.size() > kMostNodes) fail(format("the local functions expand to more than {} nodes", kMostNodes));
    append(owned_.emplace_back(std::move(node)), function.opsets, depth + 1, result);
  };
  for (const auto& node : body.node()) emit(node);
  for (const auto& [inner, outer] : copies) {
    onnx::NodeProto copy;
    copy.set_op_type("Identity");
    copy.add_input(inner);
    copy.add_output("");
    rewriter.rewrite(copy);
    copy.set_output(0, outer);
    append(owned_.emplace_back(std::move(copy)), function.opsets, depth + 1, result);
  }
}

}  // namespace qtool::onnxio
