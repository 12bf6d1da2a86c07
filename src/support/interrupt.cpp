#include "qtool/support/interrupt.h"

#include <csignal>

namespace qtool {

namespace {

volatile std::sig_atomic_t interrupted = 0;
struct sigaction previous_int, previous_term;

extern "C" void remember_interrupt(int) { interrupted = 1; }

}  // namespace

InterruptScope::InterruptScope() {
  interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = remember_interrupt;
  action.sa_flags = SA_RESETHAND | SA_RESTART;
  sigaction(SIGINT, &action, &previous_int);
  sigaction(SIGTERM, &action, &previous_term);
}

InterruptScope::~InterruptScope() {
  sigaction(SIGINT, &previous_int, nullptr);
  sigaction(SIGTERM, &previous_term, nullptr);
}

bool InterruptScope::requested() { return interrupted != 0; }

}  // namespace qtool
