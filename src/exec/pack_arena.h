// Places the buffers of a finished plan in one arena.
#pragma once

#include "plan.h"

namespace qtool::exec {

// By the steps between which each is alive. A plan that keeps its values has two memories: one where all stay until the end, and
// one for reruns, which need not keep any. Fills in the sizes of both and of scratch memory.
void pack_arena(Plan& plan);

}  // namespace qtool::exec
