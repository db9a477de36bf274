// TUN and TAP devices carry packets of any kind, which no hook of a cgroup sees.
#ifndef ASSENT_LSM_TUN_H
#define ASSENT_LSM_TUN_H

#include "lsm.h"

static __always_inline int judge_tunnel(void) { return is_governed() ? refuse(ASSENT_REFUSED_DEVICE, 0, 0, 0) : ALLOW; }

#endif
