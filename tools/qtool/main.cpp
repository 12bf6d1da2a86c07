#include "qtool/cli/app.h"

int main(int argc, char** argv) { return qtool::cli::main(argc, argv); }
