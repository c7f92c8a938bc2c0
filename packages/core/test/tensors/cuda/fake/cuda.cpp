// A CUDA driver, a cuBLAS and an NVRTC for machines without a GPU, in one shared object under three names. Device
// memory is malloc with guards around it; kernels are compiled by g++ and run thread by thread, on the host.
//
// The environment makes it fail: FAKE_CUDA_MEMORY (bytes of a device), FAKE_CUDA_FAIL=call:n (the n-th such call
// returns FAKE_CUDA_STATUS, by default 700), FAKE_CUDA_DEVICES, FAKE_CUDA_CAPABILITY, FAKE_CUDA_POOLS=0. FAKE_CUDA_NAME is
// that of all devices, which otherwise have different ones.
// FAKE_CUDA_LOG names a file to which every compilation is written, and what was left when a context ended.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fstream>
#include <map>
#include <mutex>
#include <regex>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

std::recursive_mutex lock;
using Guard = std::lock_guard<std::recursive_mutex>;

constexpr int outOfMemory = 2, invalidValue = 1, invalidDevice = 101, invalidImage = 200, invalidContext = 201,
              notFound = 500;

std::string setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value && *value ? value : otherwise;
}

void log(const std::string &line) {
  std::string file = setting("FAKE_CUDA_LOG", "");
  if (!file.empty()) std::ofstream(file, std::ios::app) << line << std::endl;
}

/** The status that this call is told to return. */
int injected(const char *call) {
  static std::map<std::string, int> calls;
  Guard guard(lock);
  std::string wanted = setting("FAKE_CUDA_FAIL", "");
  size_t colon = wanted.find(':');
  if (colon == std::string::npos || wanted.substr(0, colon) != call) return 0;
  if (++calls[call] != std::stoi(wanted.substr(colon + 1))) return 0;
  return std::stoi(setting("FAKE_CUDA_STATUS", "700"));
}
#define INJECTED(call) \
  if (int status = injected(call)) return status

// Devices and their memory.

struct Allocation {
  size_t bytes;
  int device;
};
struct FakeDevice {
  int retained = 0;
  size_t used = 0;
};
constexpr size_t guardBytes = 64;
constexpr unsigned char guardByte = 0xA5;
FakeDevice devices[2];
std::map<uint64_t, Allocation> allocations;
int streams = 0, modules = 0, handles = 0;
thread_local int current = -1;

int deviceCount() { return std::stoi(setting("FAKE_CUDA_DEVICES", "2")); }
size_t deviceMemory() { return std::stoull(setting("FAKE_CUDA_MEMORY", "8589934592")); }

bool guardsHold(uint64_t address, size_t bytes) {
  auto *begin = reinterpret_cast<unsigned char *>(address);
  for (size_t i = 1; i <= guardBytes; i++)
    if (begin[-(long)i] != guardByte || begin[bytes + i - 1] != guardByte) return false;
  return true;
}

int allocate(uint64_t *out, uint64_t bytes) {
  Guard guard(lock);
  if (current < 0) return invalidContext;
  if (bytes == 0) return invalidValue;
  if (devices[current].used + bytes > deviceMemory()) return outOfMemory;
  auto *memory = static_cast<unsigned char *>(malloc(bytes + 2 * guardBytes));
  memset(memory, guardByte, bytes + 2 * guardBytes);
  memset(memory + guardBytes, 0xFF, bytes);  // NaN, and -1: a number that nobody wrote shows
  *out = reinterpret_cast<uint64_t>(memory + guardBytes);
  allocations[*out] = {bytes, current};
  devices[current].used += bytes;
  return 0;
}

int release(uint64_t address) {
  Guard guard(lock);
  auto found = allocations.find(address);
  if (found == allocations.end()) return invalidValue;
  if (!guardsHold(address, found->second.bytes)) {
    log("a kernel wrote outside of its memory");
    abort();
  }
  devices[found->second.device].used -= found->second.bytes;
  allocations.erase(found);
  free(reinterpret_cast<void *>(address - guardBytes));
  return 0;
}

/** True if the bytes lie in one allocation of this thread's device. */
bool owned(uint64_t address, size_t bytes) {
  Guard guard(lock);
  auto next = allocations.upper_bound(address);
  if (next == allocations.begin()) return false;
  auto [begin, allocation] = *std::prev(next);
  return allocation.device == current && address + bytes <= begin + allocation.bytes;
}

// Programs: a header for g++, the source, and a function for each kernel that unpacks its arguments.

const char *shim = R"(
#include <cmath>
#include <cstring>
#define __global__
#define __device__
struct Index { unsigned x; };
static Index blockIdx, threadIdx, blockDim, gridDim;
static inline float __int_as_float(int bits) { float x; memcpy(&x, &bits, 4); return x; }
extern "C" void fake_place(unsigned b, unsigned t, unsigned bs, unsigned gs) {
  blockIdx.x = b; threadIdx.x = t; blockDim.x = bs; gridDim.x = gs;
}
#include <utility>
template <class... A, size_t... I>
static void call(void (*kernel)(A...), void **p, std::index_sequence<I...>) { kernel(*(A *)p[I]...); }
template <class... A>
static void call(void (*kernel)(A...), void **p) { call(kernel, p, std::index_sequence_for<A...>()); }
)";

struct Program {
  std::string source, result, log;
};

std::string read(const std::string &file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string scratchFile(const char *suffix) {
  static int count = 0;
  Guard guard(lock);
  return "/tmp/fake-cuda-" + std::to_string(getpid()) + "-" + std::to_string(count++) + suffix;
}

int compile(Program &program, const std::string &architecture) {
  std::string text = shim + program.source;
  std::regex kernels("__global__\\s+void\\s+(\\w+)");
  for (std::sregex_iterator i(program.source.begin(), program.source.end(), kernels), end; i != end; ++i) {
    std::string name = (*i)[1];
    text += "\nextern \"C\" void launch_" + name + "(void **p) { call(" + name + ", p); }";
  }
  std::string source = scratchFile(".cpp"), object = scratchFile(".so"), errors = scratchFile(".log");
  std::ofstream(source) << text;
  std::string command =
      "g++ -std=c++17 -O1 -shared -fPIC -w -o " + object + " " + source + " > " + errors + " 2>&1";
  bool ok = system(command.c_str()) == 0;
  program.log = read(errors);
  if (ok) {
    std::string code = read(object);
    uint64_t size = code.size();
    program.result = std::string("FAKE") + (architecture.rfind("sm_", 0) == 0 ? "SASS" : "PTX ");
    program.result.append(reinterpret_cast<char *>(&size), 8);
    program.result += code;
  }
  for (auto &file : {source, object, errors}) unlink(file.c_str());
  log("compiled for " + architecture);
  return ok ? 0 : 6;
}

struct Function {
  void (*launch)(void **);
  void (*place)(unsigned, unsigned, unsigned, unsigned);
};

float rounded(float x, int mode) {
  if (mode != 3) return x;
  uint32_t bits;
  memcpy(&bits, &x, 4);
  bits = (bits + 0x1000) & ~0x1FFFu;
  memcpy(&x, &bits, 4);
  return x;
}

struct Handle {
  int mode = 0;
};

float widened(uint16_t half) {
  uint32_t bits = (uint32_t)half << 16;
  float x;
  memcpy(&x, &bits, 4);
  return x;
}

/** An operand of a product as the library reads it: float32, rounded to tf32 if the mode says so, or bf16. */
struct Operand {
  uint64_t address;
  int type, lead;
  int64_t step;
  bool transposed;
  int bytes() const { return type == 14 ? 2 : 4; }
  uint64_t begin(int i) const { return address + i * step * bytes(); }
  float at(int i, int64_t row, int64_t col, int mode) const {
    int64_t k = transposed ? row * lead + col : col * lead + row;
    if (type == 14) return widened(reinterpret_cast<uint16_t *>(begin(i))[k]);
    return rounded(reinterpret_cast<float *>(begin(i))[k], mode);
  }
};

/** What was asked of the libraries since they were loaded. */
struct Counts {
  uint64_t launches, float32, tf32, bf16, uploads, uploadedBytes, downloads, downloadedBytes, waits;
} counts;

std::string architectureOption(int count, const char **options) {
  std::string prefix = "--gpu-architecture=";
  for (int i = 0; i < count; i++)
    if (std::string(options[i]).rfind(prefix, 0) == 0) return std::string(options[i]).substr(prefix.size());
  return "";
}

}  // namespace

extern "C" {

// Driver

int cuInit(unsigned) { INJECTED("cuInit"); return 0; }
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuDeviceGetCount(int *count) { *count = deviceCount(); return 0; }
int cuDeviceGet(int *device, int ordinal) {
  if (ordinal < 0 || ordinal >= deviceCount()) return invalidDevice;
  *device = ordinal;
  return 0;
}
int cuDeviceGetName(char *name, int length, int device) {
  std::string same = setting("FAKE_CUDA_NAME", "");
  if (same.empty()) snprintf(name, length, "Fake GPU %c", 'A' + device);
  else snprintf(name, length, "%s", same.c_str());
  return 0;
}
// FAKE_CUDA_UUIDS: a letter a device, for a process that was given some of a machine's cards.
int cuDeviceGetUuid(uint8_t *uuid, int device) {
  std::string letters = setting("FAKE_CUDA_UUIDS", "ABCDEFGH");
  memset(uuid, letters[device % letters.size()], 16);
  return 0;
}
int cuDeviceTotalMem_v2(uint64_t *bytes, int) { *bytes = deviceMemory(); return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
  int capability = std::stoi(setting("FAKE_CUDA_CAPABILITY", "90"));
  *value = attribute == 75   ? capability / 10
           : attribute == 76 ? capability % 10
           : attribute == 16 ? 2
           : attribute == 115 ? setting("FAKE_CUDA_POOLS", "1") == "1"
                              : 0;
  return 0;
}
int cuDevicePrimaryCtxRetain(uint64_t *context, int device) {
  INJECTED("cuDevicePrimaryCtxRetain");
  Guard guard(lock);
  devices[device].retained++;
  *context = device + 1;
  return 0;
}
int cuDevicePrimaryCtxRelease_v2(int device) {
  Guard guard(lock);
  if (--devices[device].retained == 0) {
    size_t left = 0;
    for (auto &[address, allocation] : allocations) left += allocation.device == device;
    log("context of device " + std::to_string(device) + " ended: " + std::to_string(left) + " allocations, " +
        std::to_string(streams) + " streams, " + std::to_string(modules) + " modules, " +
        std::to_string(handles) + " handles left");
  }
  return 0;
}
int cuCtxGetCurrent(uint64_t *context) { *context = current + 1; return 0; }
int cuCtxSetCurrent(uint64_t context) { current = (int)context - 1; return 0; }
int cuMemGetInfo_v2(uint64_t *free, uint64_t *total) {
  if (current < 0) return invalidContext;
  *total = deviceMemory();
  *free = *total - devices[current].used;
  return 0;
}
int cuMemAlloc_v2(uint64_t *out, uint64_t bytes) { INJECTED("cuMemAlloc"); return allocate(out, bytes); }
int cuMemFree_v2(uint64_t address) { return release(address); }
#ifndef WITHOUT_ORDERED_ALLOCATION
int cuMemAllocAsync(uint64_t *out, uint64_t bytes, uint64_t) {
  INJECTED("cuMemAllocAsync");
  return allocate(out, bytes);
}
int cuMemFreeAsync(uint64_t address, uint64_t) { return release(address); }
#endif
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, uint64_t bytes, uint64_t) {
  INJECTED("cuMemcpyHtoDAsync");
  {
    Guard guard(lock);
    counts.uploads++, counts.uploadedBytes += bytes;
  }
  if (!owned(to, bytes)) return invalidValue;
  memcpy(reinterpret_cast<void *>(to), from, bytes);
  return 0;
}
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, uint64_t bytes, uint64_t) {
  INJECTED("cuMemcpyDtoHAsync");
  {
    Guard guard(lock);
    counts.downloads++, counts.downloadedBytes += bytes;
  }
  if (!owned(from, bytes)) return invalidValue;
  memcpy(to, reinterpret_cast<void *>(from), bytes);
  return 0;
}
int cuStreamCreate(uint64_t *stream, unsigned) { Guard guard(lock); streams++; *stream = 7; return 0; }
int cuStreamDestroy_v2(uint64_t) { Guard guard(lock); streams--; return 0; }
int cuStreamSynchronize(uint64_t) {
  INJECTED("cuStreamSynchronize");
  Guard guard(lock);
  counts.waits++;
  return 0;
}
int cuModuleLoadData(uint64_t *module, const void *image) {
  auto *bytes = static_cast<const char *>(image);
  if (memcmp(bytes, "FAKE", 4) != 0) return invalidImage;
  uint64_t size;
  memcpy(&size, bytes + 8, 8);
  std::string file = scratchFile(".so");
  std::ofstream(file, std::ios::binary).write(bytes + 16, size);
  void *library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  unlink(file.c_str());
  if (!library) return invalidImage;
  Guard guard(lock);
  modules++;
  *module = reinterpret_cast<uint64_t>(library);
  return 0;
}
int cuModuleUnload(uint64_t) { Guard guard(lock); modules--; return 0; }
int cuModuleGetFunction(uint64_t *function, uint64_t module, const char *name) {
  auto *library = reinterpret_cast<void *>(module);
  void *launch = dlsym(library, ("launch_" + std::string(name)).c_str());
  if (!launch) return notFound;
  *function = reinterpret_cast<uint64_t>(
      new Function{(void (*)(void **))launch,
                   (void (*)(unsigned, unsigned, unsigned, unsigned))dlsym(library, "fake_place")});
  return 0;
}
int cuLaunchKernel(uint64_t function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned,
                   unsigned, uint64_t, void **arguments, void **) {
  INJECTED("cuLaunchKernel");
  if (current < 0) return invalidContext;
  {
    Guard guard(lock);
    counts.launches++;
  }
  auto *kernel = reinterpret_cast<Function *>(function);
  // Last block first: a kernel that relied on an order of its threads would fail.
  for (unsigned b = blocks; b-- > 0;)
    for (unsigned t = threads; t-- > 0;) {
      kernel->place(b, t, threads, blocks);
      kernel->launch(arguments);
    }
  return 0;
}
int cuGetErrorName(int status, const char **name) {
  static const std::map<int, const char *> names = {
      {1, "CUDA_ERROR_INVALID_VALUE"},   {2, "CUDA_ERROR_OUT_OF_MEMORY"},      {101, "CUDA_ERROR_INVALID_DEVICE"},
      {200, "CUDA_ERROR_INVALID_IMAGE"}, {201, "CUDA_ERROR_INVALID_CONTEXT"}, {500, "CUDA_ERROR_NOT_FOUND"},
      {700, "CUDA_ERROR_ILLEGAL_ADDRESS"}};
  auto found = names.find(status);
  if (found == names.end()) return invalidValue;
  *name = found->second;
  return 0;
}

// cuBLAS: column-major, as the real one

int cublasCreate_v2(uint64_t *handle) {
  INJECTED("cublasCreate");
  Guard guard(lock);
  handles++;
  *handle = reinterpret_cast<uint64_t>(new Handle());
  return 0;
}
int cublasDestroy_v2(uint64_t handle) {
  Guard guard(lock);
  handles--;
  delete reinterpret_cast<Handle *>(handle);
  return 0;
}
int cublasSetStream_v2(uint64_t, uint64_t) { return 0; }
int cublasSetMathMode(uint64_t handle, int mode) { reinterpret_cast<Handle *>(handle)->mode = mode; return 0; }
int cublasGetVersion_v2(uint64_t, int *version) { *version = 120400; return 0; }
#ifndef WITHOUT_PRODUCTS
static int multiply(uint64_t handle, int m, int n, int k, const float *alpha, Operand a, Operand b, const float *beta,
                    uint64_t c, int ldc, int64_t stepC, int batch) {
  if (a.lead < (a.transposed ? k : m) || b.lead < (b.transposed ? n : k) || ldc < m) return 7;
  int mode = reinterpret_cast<Handle *>(handle)->mode;
  {
    Guard guard(lock);
    (a.type == 14 ? counts.bf16 : mode == 3 ? counts.tf32 : counts.float32)++;
  }
  for (int i = 0; i < batch; i++) {
    auto *C = reinterpret_cast<float *>(c) + i * stepC;
    if (!owned(a.begin(i), a.bytes() * (((a.transposed ? m : k) - 1ull) * a.lead + 1)) ||
        !owned((uint64_t)C, 4ull * (n - 1) * ldc + 4 * m) ||
        !owned(b.begin(i), b.bytes() * (((b.transposed ? k : n) - 1ull) * b.lead + 1)))
      return 13;
    for (int col = 0; col < n; col++)
      for (int row = 0; row < m; row++) {
        float sum = 0;
        for (int l = 0; l < k; l++) sum += a.at(i, row, l, mode) * b.at(i, l, col, mode);
        float &out = C[col * (long)ldc + row];
        out = *alpha * sum + (*beta == 0 ? 0 : *beta * out);
      }
  }
  return 0;
}
int cublasSgemm_v2(uint64_t handle, int opA, int opB, int m, int n, int k, const float *alpha, uint64_t a, int lda,
                   uint64_t b, int ldb, const float *beta, uint64_t c, int ldc) {
  INJECTED("cublasSgemm");
  return multiply(handle, m, n, k, alpha, {a, 0, lda, 0, opA != 0}, {b, 0, ldb, 0, opB != 0}, beta, c, ldc, 0, 1);
}
int cublasSgemmStridedBatched(uint64_t handle, int opA, int opB, int m, int n, int k, const float *alpha, uint64_t a,
                              int lda, int64_t stepA, uint64_t b, int ldb, int64_t stepB, const float *beta,
                              uint64_t c, int ldc, int64_t stepC, int batch) {
  INJECTED("cublasSgemmStridedBatched");
  return multiply(handle, m, n, k, alpha, {a, 0, lda, stepA, opA != 0}, {b, 0, ldb, stepB, opB != 0}, beta, c, ldc,
                  stepC, batch);
}
/** bf16 operands (14), float32 result (0) and sums (68), as the backend asks for; 15 for anything else. */
int cublasGemmEx(uint64_t handle, int opA, int opB, int m, int n, int k, const float *alpha, uint64_t a, int typeA,
                 int lda, uint64_t b, int typeB, int ldb, const float *beta, uint64_t c, int typeC, int ldc, int compute,
                 int) {
  INJECTED("cublasGemmEx");
  if (typeA != 14 || typeB != 14 || typeC != 0 || compute != 68) return 15;
  return multiply(handle, m, n, k, alpha, {a, 14, lda, 0, opA != 0}, {b, 14, ldb, 0, opB != 0}, beta, c, ldc, 0, 1);
}
int cublasGemmStridedBatchedEx(uint64_t handle, int opA, int opB, int m, int n, int k, const float *alpha, uint64_t a,
                               int typeA, int lda, int64_t stepA, uint64_t b, int typeB, int ldb, int64_t stepB,
                               const float *beta, uint64_t c, int typeC, int ldc, int64_t stepC, int batch, int compute,
                               int) {
  INJECTED("cublasGemmStridedBatchedEx");
  if (typeA != 14 || typeB != 14 || typeC != 0 || compute != 68) return 15;
  return multiply(handle, m, n, k, alpha, {a, 14, lda, stepA, opA != 0}, {b, 14, ldb, stepB, opB != 0}, beta, c, ldc,
                  stepC, batch);
}
#endif

// NVRTC

/** Not CUDA's: nine counters, in the order of Counts. */
void fakeCounts(uint64_t *out) { Guard guard(lock); memcpy(out, &counts, sizeof counts); }

int nvrtcVersion(int *major, int *minor) { *major = 12; *minor = 4; return 0; }
int nvrtcGetNumSupportedArchs(int *count) { *count = 3; return 0; }
int nvrtcGetSupportedArchs(int *all) { all[0] = 70, all[1] = 80, all[2] = 90; return 0; }
int nvrtcCreateProgram(uint64_t *program, const char *source, const char *, int, const char **, const char **) {
  *program = reinterpret_cast<uint64_t>(new Program{source, "", ""});
  return 0;
}
int nvrtcDestroyProgram(uint64_t *program) { delete reinterpret_cast<Program *>(*program); return 0; }
int nvrtcCompileProgram(uint64_t program, int count, const char **options) {
  auto &wanted = *reinterpret_cast<Program *>(program);
  if (injected("nvrtcCompileProgram")) {
    wanted.source += "\nthis is not C;";
  }
  return compile(wanted, architectureOption(count, options));
}
int nvrtcGetProgramLogSize(uint64_t program, uint64_t *size) {
  *size = reinterpret_cast<Program *>(program)->log.size() + 1;
  return 0;
}
int nvrtcGetProgramLog(uint64_t program, char *log) {
  strcpy(log, reinterpret_cast<Program *>(program)->log.c_str());
  return 0;
}
int nvrtcGetCUBINSize(uint64_t program, uint64_t *size) {
  *size = reinterpret_cast<Program *>(program)->result.size();
  return 0;
}
int nvrtcGetCUBIN(uint64_t program, char *out) {
  auto &result = reinterpret_cast<Program *>(program)->result;
  memcpy(out, result.data(), result.size());
  return 0;
}
int nvrtcGetPTXSize(uint64_t program, uint64_t *size) { return nvrtcGetCUBINSize(program, size); }
int nvrtcGetPTX(uint64_t program, char *out) { return nvrtcGetCUBIN(program, out); }
const char *nvrtcGetErrorString(int status) { return status == 6 ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR"; }
}
