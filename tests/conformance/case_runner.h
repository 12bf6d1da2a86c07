// One test case of the ONNX standard: a folder with model.onnx and test_data_set_N/{input,output}_M.pb.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qtool::conformance {

enum class Verdict { kPassed, kFailed, kNotClaimed };

struct CaseResult {
  std::string group;  // name of the folder that holds the case
  std::string name;
  Verdict verdict = Verdict::kPassed;
  std::string reason;      // empty when passed
  std::string reason_key;  // coarse reason of a case that is not claimed, for grouping
};

// Cases below `folder` (itself a case, or a folder of cases), sorted by name.
[[nodiscard]] std::vector<std::filesystem::path> find_cases(const std::filesystem::path& folder);

// Imports the model, infers shapes, evaluates every node with the reference kernels, and compares: the types of all
// tensors against the inferred ones, the outputs against the expected ones, before and after constant folding.
[[nodiscard]] CaseResult run_case(const std::filesystem::path& folder);

}  // namespace qtool::conformance
