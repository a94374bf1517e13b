# Warnings, hardening and sanitizers: one interface target that every target of ours links.
add_library(bl_flags INTERFACE)
target_compile_definitions(bl_flags INTERFACE _GNU_SOURCE)
target_compile_options(bl_flags INTERFACE
    -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wcast-qual -Wswitch-enum -Wformat=2 -fno-common -fno-strict-aliasing)
if(BL_SANITIZE)
    target_compile_options(bl_flags INTERFACE -fsanitize=${BL_SANITIZE} -fno-omit-frame-pointer
        -fno-sanitize-recover=all)
    target_link_options(bl_flags INTERFACE -fsanitize=${BL_SANITIZE})
    if(BL_FUZZ) # coverage of the libraries too: without it the fuzzers are blind
        target_compile_options(bl_flags INTERFACE -fsanitize=fuzzer-no-link)
    endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
    target_compile_options(bl_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
        -fstack-protector-strong -fPIE -fstack-clash-protection)
    target_link_options(bl_flags INTERFACE -pie -Wl,-z,relro,-z,now)
endif()
