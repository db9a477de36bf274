// Using a TUN or TAP device that is there already.
#include "lsm_tun.h"

SEC("lsm/tun_dev_open")
int BPF_PROG(assent_lsm_tun_dev_open) { return judge_tunnel(); }
