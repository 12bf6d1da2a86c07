#include "check_document.h"

#include <algorithm>
#include <string>

#include "qtool/support/error.h"
#include "qtool/support/format.h"

namespace qtool::report {

namespace {

using Json = nlohmann::json;

bool has_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  return type == "null" && value.is_null();
}

class Checker {
 public:
  explicit Checker(const Json& schema) : root_(schema) {}

  void check(const Json& value, const Json& schema, const std::string& at) const {
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      return check(value, root_.at(Json::json_pointer(ref->get<std::string>().substr(1))), at);  // "#/$defs/..."
    }
    if (const auto type = schema.find("type"); type != schema.end()) check_type(value, *type, at);
    if (const auto expected = schema.find("const"); expected != schema.end() && value != *expected) {
      fail(at, format("is {}, not {}", value.dump(), expected->dump()));
    }
    if (const auto choices = schema.find("enum"); choices != schema.end() && std::find(choices->begin(), choices->end(), value) == choices->end()) {
      fail(at, format("is {}, not one of {}", value.dump(), choices->dump()));
    }
    if (value.is_object()) check_members(value, schema, at);
    if (value.is_array() && schema.contains("items")) {
      for (size_t i = 0; i < value.size(); ++i) check(value[i], schema["items"], format("{}/{}", at, i));
    }
  }

 private:
  [[noreturn]] static void fail(const std::string& at, const std::string& what) {
    throw Error(ErrorCode::kInternal, format("report document: {} {}", at.empty() ? "/" : at, what));
  }

  static void check_type(const Json& value, const Json& type, const std::string& at) {
    const bool fits = type.is_array() ? std::any_of(type.begin(), type.end(), [&](const Json& one) { return has_type(value, one); })
                                      : has_type(value, type);
    if (!fits) fail(at, format("is {}, not {}", value.type_name(), type.dump()));
  }

  void check_members(const Json& value, const Json& schema, const std::string& at) const {
    for (const Json& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) fail(at, format("has no '{}'", name.get<std::string>()));
    }
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, member] : value.items()) {
      const auto found = properties.find(name);
      if (found != properties.end()) check(member, *found, at + "/" + name);
      else if (schema.value("additionalProperties", true) == false) fail(at, format("may not have '{}'", name));
    }
  }

  const Json& root_;
};

}  // namespace

void check_document(const Json& document, const Json& schema) { Checker(schema).check(document, schema, ""); }

}  // namespace qtool::report
