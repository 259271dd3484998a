/** Whether whoever is signed in may change the service. */

/** Asks once for each page: the configuration is shown to administrators alone. */
export async function isAdmin(api, signal) {
  try {
    await api.json("/coterie/config", { signal });
    return true;
  } catch (error) {
    // 404: administrators have a listener of their own, and this is not it.
    if ([403, 404, 409].includes(error.status)) return error.status === 409;
    throw error;
  }
}
