# The web application, built by npm into one C++ file: `web_assets`. Nothing is built again while web/ stays as it is, and nothing is
# fetched again while package-lock.json does.
find_program(NPM npm)
if(NOT NPM)
    message(FATAL_ERROR "npm is needed for the console's web application: `tools/packages build` names it; or configure with -DASSENT_CONSOLE=OFF")
endif()
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(web_source ${CMAKE_CURRENT_SOURCE_DIR}/web)
set(web_build ${CMAKE_CURRENT_BINARY_DIR}/web)
file(GLOB_RECURSE web_files CONFIGURE_DEPENDS ${web_source}/src/* ${web_source}/public/*)
list(APPEND web_files ${web_source}/index.html ${web_source}/vite.config.ts ${web_source}/tsconfig.json)

add_custom_command(
    OUTPUT ${web_build}/packages.stamp
    COMMAND ${CMAKE_COMMAND} -E make_directory ${web_build}
    COMMAND ${CMAKE_COMMAND} -E copy ${web_source}/package.json ${web_source}/package-lock.json ${web_source}/.npmrc ${web_build}
    # Not `npm ci`: that wants optional packages of every other platform in the lock, which not every registry has.
    COMMAND ${CMAKE_COMMAND} -E chdir ${web_build} ${NPM} install --no-save --include=dev --silent
    COMMAND ${CMAKE_COMMAND} -E touch ${web_build}/packages.stamp
    DEPENDS ${web_source}/package.json ${web_source}/package-lock.json ${web_source}/.npmrc
    COMMENT "Fetching what the web application is built with" VERBATIM)
add_custom_command(
    OUTPUT ${web_build}/assets.cc
    # Copied anew, so that a file that is gone is gone there as well.
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${web_build}/src ${web_build}/public ${web_build}/dist
    COMMAND ${CMAKE_COMMAND} -E copy_directory ${web_source}/src ${web_build}/src
    COMMAND ${CMAKE_COMMAND} -E copy_directory ${web_source}/public ${web_build}/public
    COMMAND ${CMAKE_COMMAND} -E copy ${web_source}/index.html ${web_source}/vite.config.ts ${web_source}/tsconfig.json ${web_build}
    COMMAND ${CMAKE_COMMAND} -E chdir ${web_build} ${NPM} run --silent build
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/embed.py ${web_build} ${CMAKE_CURRENT_SOURCE_DIR}/openapi.json
            ${web_build}/assets.cc
    DEPENDS ${web_files} ${web_build}/packages.stamp ${CMAKE_CURRENT_SOURCE_DIR}/embed.py ${CMAKE_CURRENT_SOURCE_DIR}/openapi.json
    COMMENT "Building the web application" VERBATIM)
set(web_assets ${web_build}/assets.cc)
install(FILES ${web_build}/dist/licenses.txt DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME console-licenses.txt)
