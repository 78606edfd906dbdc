import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where a person's programs keep what can be made again: XDG_CACHE_HOME, else ~/.cache; LOCALAPPDATA on Windows.
 * https://specifications.freedesktop.org/basedir-spec/latest/ says that a relative path counts as unset.
 */
export function cacheFolder(
  environment: Environment = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = environment;
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'unmask');
  if (platform === 'win32' && LOCALAPPDATA) return join(LOCALAPPDATA, 'unmask', 'cache');
  return join(home, '.cache', 'unmask');
}
