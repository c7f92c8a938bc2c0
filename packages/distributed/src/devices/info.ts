import { type DeviceInfo, requireBackend } from '@saddle/core'
import { probe } from '../lanes/probe.js'
import type { Device } from './device.js'

/** What the backend knows of a device, if it has devices of its own; one that lives in a process is asked there. */
export async function deviceInfo(device: Device): Promise<DeviceInfo | undefined> {
  const { devices } = requireBackend(device.backend)
  const seen = device.process === null ? devices?.() : (await probe(device)).devices
  return seen?.[device.ordinal ?? 0]
}
