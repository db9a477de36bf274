// Making a TUN or TAP device.
#include "lsm_tun.h"

SEC("lsm/tun_dev_create")
int BPF_PROG(assent_lsm_tun_dev_create) { return judge_tunnel(); }
