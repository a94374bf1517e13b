#include "scripts.h"

#include "bl_lua_gen.h"

const bl_slice bl_script_claim = BL_SLICE_INIT(bl_lua_claim);
const bl_slice bl_script_forget = BL_SLICE_INIT(bl_lua_forget);
const bl_slice bl_script_commit = BL_SLICE_INIT(bl_lua_commit);
const bl_slice bl_script_address = BL_SLICE_INIT(bl_lua_address);
