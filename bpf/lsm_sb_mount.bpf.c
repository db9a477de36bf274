// mount(): over the pins, or the cgroups, so that a restarted daemon would not find them.
#include "lsm_mount.h"

SEC("lsm/sb_mount")
int BPF_PROG(assent_lsm_sb_mount, const char* device, const struct path* place) { return judge_mount_over(place); }
