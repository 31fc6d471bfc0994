#pragma once

// All that an application needs.

#include "runtime/background_process.h"
#include "runtime/collection.h"
#include "runtime/errors/exceptions.h"
#include "runtime/guards.h"
#include "runtime/lockable.h"
#include "runtime/node.h"
#include "runtime/object.h"
#include "runtime/open.h"
#include "runtime/process.h"
#include "runtime/system.h"
#include "runtime/transact.h"
