# Compiler settings, and the functions that make a library, a program or a test of a folder.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()

# Lines and functions in a backtrace are what a crash needs of debug information; the rest costs a third of the build.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(ASSENT_SANITIZE "" CACHE STRING "Sanitizers of the build: address,undefined or thread")
option(ASSENT_FUZZ "Build the fuzzers as well (clang, with ASSENT_SANITIZE)" OFF)
# For whoever builds once: files spend most of their time on what they share. Not for changing one of them again and again, nor for tools
# that look at a file at a time; and one that does not include what it uses is found without it only.
option(ASSENT_TOGETHER "Compile several files at a time" OFF)

add_library(assent_options INTERFACE)
target_compile_options(assent_options INTERFACE
    -Wall -Wextra -Wconversion -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Werror -fno-omit-frame-pointer
    -fstack-protector-strong -D_FORTIFY_SOURCE=$<IF:$<CONFIG:Debug>,0,2>)
target_include_directories(assent_options INTERFACE ${CMAKE_SOURCE_DIR}/userspace ${CMAKE_SOURCE_DIR}/bpf)
add_link_options(-Wl,-z,relro,-z,now)
if(ASSENT_SANITIZE)
    set(CMAKE_CXX_FLAGS_DEBUG "-g1")
    add_compile_options(-fsanitize=${ASSENT_SANITIZE} -fno-sanitize-recover=all)
    add_compile_definitions(ASSENT_SANITIZED)
    add_link_options(-fsanitize=${ASSENT_SANITIZE})
endif()
if(ASSENT_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# assent_together(TARGET): see ASSENT_TOGETHER. Their files must not use a name of their own twice.
function(assent_together target)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ${ASSENT_TOGETHER} UNITY_BUILD_BATCH_SIZE 6)
endfunction()

# assent_library(NAME PUBLIC … PRIVATE …): userspace/NAME as the static library assent_NAME. Only what is linked here may be
# included: the link graph is the layers of ARCHITECTURE.md.
function(assent_library name)
    cmake_parse_arguments(ARG "" "" "PUBLIC;PRIVATE" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
    add_library(assent_${name} STATIC ${sources})
    set_target_properties(assent_${name} PROPERTIES LINKER_LANGUAGE CXX)
    assent_together(assent_${name})
    target_link_libraries(assent_${name} PUBLIC ${ARG_PUBLIC} PRIVATE assent_options ${ARG_PRIVATE})
    target_include_directories(assent_${name} PUBLIC ${CMAKE_SOURCE_DIR}/userspace)
endfunction()

# assent_test(NAME LIBS … [LABELS …]): every *.cc of this folder as one GoogleTest program NAME.
function(assent_test name)
    cmake_parse_arguments(ARG "" "" "LIBS;LABELS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE assent_options ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>) # tests run once, and are compiled more often
    target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_compile_definitions(${name} PRIVATE ASSENT_SOURCE_DIR="${CMAKE_SOURCE_DIR}" ASSENT_BINARY_DIR="${CMAKE_BINARY_DIR}")
    assent_together(${name})
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 600)
endfunction()
