/* scripts.h -- the Lua that changes a slot
 *
 * Sent with EVAL each time: a script that rides along cannot be missing (NOSCRIPT after SCRIPT
 * FLUSH, restart, failover), and costs a few KB beside a batch of some hundred.  Arguments: head of
 * each .lua.
 *
 * Shapes     texts
 * Units      -
 * Ownership  static
 * Threads    constants
 * Errors     -
 * Source     claim.lua, forget.lua, commit.lua, address.lua
 */
#ifndef BOUNCELINE_SCRIPTS_H
#define BOUNCELINE_SCRIPTS_H

#include "bounceline/slice.h"

extern const bl_slice bl_script_claim, bl_script_forget, bl_script_commit, bl_script_address;

#endif
