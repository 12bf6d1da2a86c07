// The command line: parses, runs a pipeline, says what happened, and turns errors into documented exit codes.
#pragma once

namespace qtool::cli {

// 0 done; 1 ran, requested quality gate not met; 2 usage or configuration; 3 model or data; 4 file system; 70 internal.
[[nodiscard]] int main(int argc, char** argv);

}  // namespace qtool::cli
