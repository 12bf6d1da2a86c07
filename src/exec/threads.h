// oneDNN of the distribution runs on OpenMP: this sets the OpenMP thread count of the calling thread for a scope.
#pragma once

namespace qtool::exec {

class ThreadScope {
 public:
  explicit ThreadScope(int threads);
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;
  ~ThreadScope();

 private:
  int before_;
};

}  // namespace qtool::exec
