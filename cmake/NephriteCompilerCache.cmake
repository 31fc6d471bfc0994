# ccache, when it is there and nobody chose otherwise. Never needed.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(NEPHRITE_CCACHE ccache)
  if(NEPHRITE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${NEPHRITE_CCACHE})
  endif()
endif()
