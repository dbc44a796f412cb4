// Makes ../lists.txt.gz and golden.tsv from the npm package zxcvbn 4.4.2. In an
// empty folder, with the path of this file:
//
//   npm install zxcvbn@4.4.2
//   node .../testdata/make.js
//
// The result is the same every time, up to the version of zlib.
'use strict';
const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const load = require('module').createRequire(path.join(process.cwd(), 'x.js'));

// The package reads the year when it is loaded: referenceYear in zxcvbn.go.
Date.prototype.getFullYear = () => 2026;
const zxcvbn = load('zxcvbn');
const lists = load('zxcvbn/lib/frequency_lists');
// Its dictionaries are objects, which would inherit these as words.
delete Object.prototype.constructor;
delete Object.prototype.__proto__;

const names = Object.keys(lists);
const words = names.map(name => lists[name]);
fs.writeFileSync(path.join(__dirname, '..', 'lists.txt.gz'),
  zlib.gzipSync(names.map((name, n) => [name, ...words[n]].join(' ') + '\n').join(''), {level: 9}));

// rand returns an integer below n (mulberry32).
let seed = 4042;
function rand(n) {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return Math.floor(((t ^ (t >>> 14)) >>> 0) / 4294967296 * n);
}
const pick = list => list[rand(list.length)];
const repeat = (n, f) => Array.from({length: n}, f).join('');
const reverse = s => s.split('').reverse().join('');
const mapChars = (s, f) => s.split('').map(f).join('');

// Half of the words are among the most frequent of their list.
const word = () => { const list = pick(words); return list[rand(rand(2) ? 500 : list.length)]; };
const ascii = () => String.fromCharCode(33 + rand(94));
const unicode = () => pick([...'äöüßñéşığ世界пароль密码αβγδε\u00a0\u2003\ufeff😀🔑💩', '\u0301', '\ud83d', '\ude00'.slice(1), '\u212a']);
const random = n => repeat(n, ascii);
const leet = {a: '4@', b: '8', c: '({[<', e: '3', g: '69', i: '1!|', l: '1|7', o: '0', s: '$5', t: '+7', x: '%', z: '2'};
const toLeet = (s, odds) => mapChars(s, c => leet[c] && rand(odds) ? pick(leet[c]) : c);
const recase = s => pick([
  s => s[0].toUpperCase() + s.slice(1), s => s.toUpperCase(), s => s.slice(0, -1) + s.slice(-1).toUpperCase(),
  s => mapChars(s, c => rand(3) ? c : c.toUpperCase()), s => mapChars(s, c => rand(3) ? c.toUpperCase() : c),
])(s);

const {qwerty, dvorak, keypad, mac_keypad} = load('zxcvbn/lib/adjacency_graphs');
function walk(graph, n) {
  let s = pick(Object.keys(graph)), direction = rand(6);
  const shift = rand(3) === 0;
  while (s.length < n) {
    const around = graph[s[s.length - 1]];
    if (!around[direction] || rand(4) === 0) direction = rand(around.length);
    const key = around[direction];
    if (key) s += key[key.length > 1 && (shift ? rand(2) : rand(10) === 0) ? 1 : 0];
  }
  return s;
}
function sequence() {
  const step = pick([1, 1, 1, -1, -1, 2, -2, 3, 5, -5, 6]), from = pick([...'aAzZ019bmQ5жα', '\u4e16']).charCodeAt(0);
  return repeat(2 + rand(9), (_, n) => String.fromCharCode(Math.max(32, from + n * step)));
}
function date() {
  const pad = n => rand(2) ? String(n) : String(n).padStart(2, '0');
  const year = pick([() => 1900 + rand(130), () => 1900 + rand(130), () => 1000 + rand(1100), () => rand(100), () => pad(rand(100))])();
  const day = pad(rand(20) ? 1 + rand(31) : rand(40)), month = pad(rand(20) ? 1 + rand(12) : rand(20));
  const sep = pick(['', '', '', '/', '-', '.', '_', ' ', '\\', '\u00a0', '\u0085', '\ufeff', ',']), other = rand(15) ? sep : '-';
  return pick([[day, month, year], [month, day, year], [year, month, day], [year, day, month], [month, year, day]])
    .reduce((s, part, n) => s + (n === 1 ? sep : other) + part);
}

const makers = {
  word, recased: () => recase(word()), reversed: () => reverse(word()), reversedRecased: () => recase(reverse(word())),
  leet: () => toLeet(word(), 3), leetAll: () => toLeet(word(), 99), leetRecased: () => recase(toLeet(word(), 2)),
  leetTwo: () => toLeet(word() + word(), 2), leetOdd: () => toLeet(reverse(word()), 2),
  symbols: () => repeat(2 + rand(9), () => pick('4@8({[<3691!|70$5+%2')),
  two: () => word() + word(), spaced: () => repeat(2 + rand(4), (_, n) => (n ? pick(' -_.') : '') + word()),
  suffixed: () => recase(word()) + rand(pick([10, 100, 1000, 10000])), punctuated: () => word() + pick('!?.#$*') + rand(100),
  qwerty: () => walk(qwerty, 2 + rand(12)), dvorak: () => walk(dvorak, 2 + rand(12)),
  keypad: () => walk(keypad, 2 + rand(9)), macKeypad: () => walk(mac_keypad, 2 + rand(9)),
  walkWord: () => walk(qwerty, 3 + rand(5)) + word(), mixedWalk: () => walk(qwerty, 4) + walk(keypad, 4) + walk(dvorak, 4),
  year: () => pick(['', word()]) + (1880 + rand(180)) + pick(['', word(), random(2)]),
  date, dated: () => pick([word, () => random(2), date])() + date(), digits: () => repeat(1 + rand(12), () => rand(10)),
  repeated: () => pick([ascii, word, () => random(2), () => random(3), date, unicode])().repeat(2 + rand(5)),
  nested: () => (ascii().repeat(1 + rand(3)) + ascii().repeat(1 + rand(3))).repeat(2 + rand(3)) + pick(['', 'a']),
  fewLetters: () => repeat(3 + rand(25), () => pick('ab')), repeatedParts: () => ascii().repeat(3) + word().repeat(2) + ascii(),
  brokenRepeat: () => ((s) => s + s)(pick('ab') + pick('\n\r\u2028x') + pick('ab')).repeat(1 + rand(2)),
  sequence, sequenceWord: () => sequence() + word(), sequences: () => sequence() + sequence(),
  random: () => random(1 + rand(24)), randomWord: () => random(3) + word() + random(3),
  unicode: () => repeat(1 + rand(8), unicode), unicodeWord: () => word() + unicode() + word(),
  unicodeLeet: () => unicode() + toLeet(word(), 2) + pick(['\u212a', '\u017f', '\u0131', '']) + word(),
  long: () => repeat(5 + rand(8), () => pick([word, () => random(4), date, sequence, () => walk(qwerty, 6)])()),
  longer: () => repeat(30, () => pick([word, () => random(4), unicode])()),
  control: () => pick(['\t', '\n', '\u0000', '\u007f']) + word() + pick(['\t', '\n', '\u0000', '']) + random(2),
};

const passwords = new Set(['', ' ', 'a', 'A', '1', '\n', 'ab', 'aa', '123', '12345678', 'a_new_password', 'NewSecurePassword123!',
  'mighty-strong-secure-1337!!', 'testpassword12345', 'correct horse battery staple', 'Tr0ub4dour&3', 'D0g..................',
  'coRrecth0rseba++ery9.23.2007staple$', 'constructor', 'rotcurtsnoc', 'C0nstruct0r', '__proto__', 'Constructor__proto__1',
  '1/1/1', '1/1/91', '1/1/1991', '31-12-2026', '0/0/2000', 'x1/1/1x', '2015_06_04', '111504', '9111', '1191', '1\u00851\u008591',
  'aabaab', 'aabaabaabaab', 'aaaaa', 'abababab', 'ababcababc', 'a\na\na\n', 'x'.repeat(99), 'x'.repeat(100), 'x'.repeat(101),
  'ab'.repeat(300), '😀'.repeat(60), 'a' + '😀'.repeat(60), 'qwertyuiop'.repeat(12), '4@8({[<3691!|70$5+%2', '1|7'.repeat(9),
  'washington2019*4', 'washington2020*4', '2020federal', '7.6.4', '99999999', 'webster1304\u008511\u008512', 'webster1304\u00a011\u00a012',
  // These depend on the order in which matches are found.
  'γdel7a123strikeouts', 'γravenmar|abramley', 'γabc12whi7emedicare', 'γbondwa77sjackaroo', '88545031808', '0989848*YujU']);
const wanted = 4200;
while (passwords.size < wanted) {
  for (const make of Object.values(makers)) {
    // Lone surrogates cannot be written in UTF-8.
    if (passwords.size < wanted) passwords.add(make().toWellFormed());
  }
}
const rows = Array.from(passwords, password => {
  const {score, guesses} = zxcvbn(password.slice(0, 100));
  return `${JSON.stringify(password)}\t${score}\t${guesses}\n`;
});
fs.writeFileSync(path.join(__dirname, 'golden.tsv'), rows.join(''));
