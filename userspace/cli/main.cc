#include "cli/program.h"

int main(int argc, char** argv) { return assent::cli::run_program(argc, argv); }
