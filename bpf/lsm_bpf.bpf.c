// bpf(): maps, links and programs, assent's own among them.
#include "lsm.h"

SEC("lsm/bpf")
int BPF_PROG(assent_lsm_bpf, int command) { return is_governed() ? refuse(ASSENT_REFUSED_BPF, 0, 0, command) : ALLOW; }
