// Makes lists.json.gz and golden.tsv from the npm package zxcvbn 4.4.2:
//   npm install zxcvbn@4.4.2 && node testdata/make.js
const RealDate = Date;
global.Date = class extends RealDate { getFullYear() { return 2026; } };
const fs = require('fs'), zlib = require('zlib'), path = require('path');
const zxcvbn = require('zxcvbn');
const dictionaries = require('zxcvbn/lib/frequency_lists'), graphs = require('zxcvbn/lib/adjacency_graphs');
const here = path.join(__dirname, '..');
fs.writeFileSync(path.join(here, 'lists.json.gz'),
  zlib.gzipSync(JSON.stringify({dictionaries: Object.fromEntries(Object.entries(dictionaries).map(
    ([k, v]) => [k, Array.isArray(v) ? v.join(',') : v])), graphs}), {level: 9}));

let seed = 1;
const rand = n => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0, Math.floor(seed / 65536) % n);
const pick = list => list[rand(list.length)];
const words = Object.values(dictionaries).map(v => Array.isArray(v) ? v : v.split(','));
const word = () => pick(pick(words));
const chars = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@#$%^&*()-_=+[]{};:,.<>/?';
const random = n => Array.from({length: n}, () => chars[rand(chars.length)]).join('');
const leet = {a: '4@', b: '8', e: '3', g: '69', i: '1!', l: '17', o: '0', s: '$5', t: '+7', z: '2'};
const makers = [
  word, () => word() + rand(100), () => word() + '_' + word(), () => word() + ' ' + word() + ' ' + word(),
  () => word().split('').reverse().join(''), () => word()[0].toUpperCase() + word().slice(1) + rand(10), () => word().toUpperCase(),
  () => word().split('').map(c => rand(2) && leet[c] ? pick(leet[c].split('')) : c).join(''),
  () => { const w = word().split(''); return w.map(c => rand(3) ? c : c.toUpperCase()).join(''); },
  () => word().repeat(1 + rand(4)), () => pick('abcxyz019AZ').repeat(1 + rand(12)), () => random(1 + rand(24)),
  () => `${1 + rand(31)}${pick(['', '/', '-', '.', ' '])}${1 + rand(12)}${pick(['', '/', '-'])}${1900 + rand(160)}`,
  () => `${1900 + rand(150)}`, () => word() + (1900 + rand(130)),
  () => pick(['qwerty', 'asdfgh', 'zxcvbn', '1qaz2wsx', 'poiuyt', 'QWErty', '!QAZ', '7894561230', 'aoeuidhtns', 'qwedsazxc']) + pick(['', '1', word()]),
  () => pick(['abcdef', 'fedcba', '13579', '97531', 'acegik', 'ABCD', '54321', 'жзик', 'αβγδ']) + pick(['', word(), random(3)]),
  () => word() + pick(['ü', 'ñé', '日本語', '—', 'пароль']) + word(), () => random(4) + word() + random(3), () => word() + random(2) + word() + random(2) + word(),
];
const samples = new Set(['', 'a_new_password', 'NewSecurePassword123!', 'mighty-strong-secure-1337!!', 'testpassword12345', '123', '12345678',
  'correct horse battery staple', 'Tr0ub4dour&3', 'D0g..................', 'x'.repeat(100), random(100), word().repeat(20).slice(0, 100)]);
while (samples.size < 4000) {
  const s = pick(makers)().slice(0, 100);
  if (!/[\t\n\r]/.test(s) && !/constructor|tostring|valueof|hasownproperty/i.test(s)) samples.add(s);
}
fs.writeFileSync(path.join(__dirname, 'golden.tsv'), [...samples].map(s => {
  const r = zxcvbn(s);
  return `${s}\t${r.score}\t${s === '' ? 0 : r.guesses_log10.toFixed(9)}\n`;
}).join(''));
